//! basket-api, as far as pages need it. Every call is the buyer's own.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use reqwest::Method;
use rust_decimal::Decimal;
use serde::Deserialize;
use service_kit::trace::RequestTrace;

use super::{Backend, Request, Trouble};
use crate::session::User;
use crate::settings::{Settings, service_variable};

/// The most pieces of a product in a cart.
const MOST: i64 = 99;

/// How long looking at the cart may take before something is put on top.
const ADDING: Duration = Duration::from_secs(3);

/// A client of basket-api. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BasketApi(Backend);

/// A buyer's cart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Basket {
    /// What is in it.
    pub items: Vec<BasketLine>,
    /// What the available items cost together.
    pub total: Decimal,
    /// The currency of all its prices.
    pub currency: String,
    /// Rises with every change.
    pub version: i64,
}

/// One product in a cart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasketLine {
    /// The product.
    pub product_id: i64,
    /// What it is called now.
    pub product_name: String,
    /// What one piece costs now.
    pub unit_price: Decimal,
    /// The price that the buyer last accepted, where that is another one.
    pub old_unit_price: Option<Decimal>,
    /// How many pieces.
    pub quantity: i64,
    /// Whether it can still be bought.
    pub available: bool,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A product in the cart has another price.
    PriceChanged,
    /// A product in the cart is no longer sold.
    ProductRemoved,
    /// Something that this build does not know yet.
    #[serde(other)]
    Other,
}

/// Something that happened to a product while it was in the buyer's cart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Which one.
    pub id: i64,
    /// What it is about.
    pub kind: AlertKind,
    /// The product.
    pub product_id: i64,
    /// What the product was called.
    pub product_name: String,
    /// Its price before.
    pub old_price: Option<Decimal>,
    /// Its price since.
    pub new_price: Option<Decimal>,
    /// When the cart was changed.
    pub created_at: DateTime<Utc>,
    /// When the buyer saw it.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// A page of alerts, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlertPage {
    /// Alerts on all pages.
    pub count: u64,
    /// The alerts of this page.
    pub data: Vec<Alert>,
}

impl BasketApi {
    /// A client of the basket at the configured address. Does not connect.
    pub fn new(settings: &Settings) -> Result<Self> {
        Backend::new("cart", &service_variable("basket"), settings.service_url("basket")?).map(Self)
    }

    /// The buyer's cart.
    pub async fn basket(&self, user: &User, within: Duration) -> Result<Basket, Trouble> {
        self.call(Method::GET, user, &[], &[]).deadline(within).json_reply().await
    }

    /// The buyer's newest alerts, at most 100.
    pub async fn newest_alerts(&self, user: &User, size: u8, within: Duration) -> Result<AlertPage, Trouble> {
        let query = [("pageSize", size.to_string())];
        self.call(Method::GET, user, &["alerts"], &query).deadline(within).json_reply().await
    }

    /// Sets how many pieces of a product are in the cart: 1 to 99.
    pub async fn put(
        &self,
        user: &User,
        product: i64,
        quantity: i64,
        trace: &RequestTrace,
    ) -> Result<Basket, Trouble> {
        self.put_request(user, product, quantity, trace).json_reply().await
    }

    /// Puts pieces of a product on top of those in the cart, 99 at most; 412 if the cart changes meanwhile.
    pub async fn add(
        &self,
        user: &User,
        product: i64,
        pieces: i64,
        trace: &RequestTrace,
    ) -> Result<Basket, Trouble> {
        let basket = self.basket(user, ADDING).await?;
        let present = basket.items.iter().find(|line| line.product_id == product);
        let quantity = (present.map_or(0, |line| line.quantity) + pieces).min(MOST);
        let request = self.put_request(user, product, quantity, trace);
        request.header("if-match", &format!("\"{}\"", basket.version)).json_reply().await
    }

    /// Takes a product out of the cart.
    pub async fn take_out(&self, user: &User, product: i64) -> Result<(), Trouble> {
        self.call(Method::DELETE, user, &["items", &product.to_string()], &[]).send().await.map(drop)
    }

    /// Says that the buyer has seen these alerts, or all of them if there are none.
    pub async fn acknowledge(&self, user: &User, ids: &[i64]) -> Result<(), Trouble> {
        let request = self.call(Method::POST, user, &["alerts", "acknowledge"], &[]);
        let request = if ids.is_empty() { request } else { request.json(&serde_json::json!({"ids": ids})) };
        request.send().await.map(drop)
    }

    /// The stream of the buyer's alerts, from `after` on, or from now on without it.
    pub async fn stream(&self, user: &User, after: Option<i64>) -> Result<reqwest::Response, Trouble> {
        let query: Vec<_> = after.map(|id| ("lastEventId", id.to_string())).into_iter().collect();
        self.call(Method::GET, user, &["alerts", "stream"], &query).open_stream().await
    }

    /// The cart's version; cheap while it is still the `known` one.
    pub async fn version(&self, user: &User, known: Option<i64>) -> Result<i64, Trouble> {
        let request = self.call(Method::GET, user, &[], &[]);
        let Some(known) = known else { return Ok(request.json_reply::<Basket>().await?.version) };
        let reply = request.header("if-none-match", &format!("\"{known}\"")).send().await?;
        let is_known = reply.status == reqwest::StatusCode::NOT_MODIFIED;
        if is_known { Ok(known) } else { Ok(reply.json::<Basket>()?.version) }
    }

    fn put_request(&self, user: &User, product: i64, quantity: i64, trace: &RequestTrace) -> Request {
        let request = self.call(Method::PUT, user, &["items", &product.to_string()], &[]);
        request.within(trace).json(&serde_json::json!({"quantity": quantity}))
    }

    fn call(&self, method: Method, user: &User, path: &[&str], query: &[(&str, String)]) -> Request {
        let base = ["api", "v1", "basket", &user.name];
        self.0.request(method, &[&base[..], path].concat(), query).by(user)
    }
}
