//! The routes of basket-api that pages need. Every call is the buyer's own.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, Response, StatusCode};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::{Client, Request, Result};
use crate::session::User;
use crate::settings::{Settings, service_variable};

/// The most pieces of a product in a cart.
pub(crate) const MAX_QUANTITY: i64 = 99;

/// How long reading the cart may take before pieces are added to it.
const READ_BEFORE_ADD: Duration = Duration::from_secs(3);

/// The newest alerts that are read with a cart.
const ALERTS: usize = 100;

/// A client of basket-api. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BasketClient(Client);

/// A buyer's cart.
#[derive(Debug, Deserialize)]
pub(crate) struct Basket {
    pub(crate) items: Vec<BasketLine>,
    pub(crate) total: Decimal,
    pub(crate) currency: String,
    pub(crate) version: i64,
}

/// A product in a cart.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BasketLine {
    pub(crate) product_id: i64,
    pub(crate) product_name: String,
    pub(crate) unit_price: Decimal,
    /// The price that the buyer last accepted, where it differs from the price now.
    pub(crate) old_unit_price: Option<Decimal>,
    pub(crate) quantity: i64,
    pub(crate) available: bool,
}

/// The kind of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AlertKind {
    PriceChanged,
    ProductRemoved,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

/// A change of a product that was in the buyer's cart.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) id: i64,
    pub(crate) kind: AlertKind,
    pub(crate) product_id: i64,
    pub(crate) product_name: String,
    pub(crate) old_price: Option<Decimal>,
    pub(crate) new_price: Option<Decimal>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) acknowledged_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct AlertPage {
    data: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
struct DigestWish {
    wanted: bool,
}

impl Basket {
    /// How many pieces of all products it has.
    pub(crate) fn pieces(&self) -> i64 {
        self.items.iter().map(|line| line.quantity).sum()
    }

    /// The products whose price or availability has changed since the buyer last accepted.
    pub(crate) fn changed_products(&self, alerts: &[Alert]) -> BTreeSet<i64> {
        let changed = self.items.iter().filter(|line| line.old_unit_price.is_some());
        let alerted = alerts.iter().filter(|alert| alert.acknowledged_at.is_none());
        changed.map(|line| line.product_id).chain(alerted.map(|alert| alert.product_id)).collect()
    }
}

impl BasketClient {
    /// A client of the configured basket. Does not connect.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings.service_url("basket")?;
        Client::new("cart", &service_variable("basket"), url).map(Self)
    }

    /// The buyer's cart, and the newest alerts about it.
    pub(crate) async fn cart(&self, user: &User, deadline: Duration) -> Result<(Basket, Vec<Alert>)> {
        let query = [("pageSize", ALERTS.to_string())];
        let alerts = self.call(Method::GET, user, &["alerts"], &query).deadline(deadline);
        let (basket, alerts) = tokio::try_join!(self.basket(user, deadline), alerts.json::<AlertPage>())?;
        Ok((basket, alerts.data))
    }

    /// Sets how many pieces of a product are in the cart: 1 to 99.
    pub(crate) async fn put(&self, user: &User, product: i64, quantity: i64) -> Result<()> {
        self.put_request(user, product, quantity).send().await.map(drop)
    }

    /// Adds pieces of a product to those in the cart, up to 99. The error is 412 if the cart changes meanwhile.
    pub(crate) async fn add(&self, user: &User, product: i64, pieces: i64) -> Result<()> {
        let basket = self.basket(user, READ_BEFORE_ADD).await?;
        let present = basket.items.iter().find(|line| line.product_id == product);
        let quantity = (present.map_or(0, |line| line.quantity) + pieces).min(MAX_QUANTITY);
        let request = self.put_request(user, product, quantity);
        request.if_version(basket.version).send().await.map(drop)
    }

    /// Removes a product from the cart.
    pub(crate) async fn remove(&self, user: &User, product: i64) -> Result<()> {
        self.call(Method::DELETE, user, &["items", &product.to_string()], &[]).send().await.map(drop)
    }

    /// Acknowledges these alerts, or all alerts if there are none.
    pub(crate) async fn acknowledge(&self, user: &User, ids: &[i64]) -> Result<()> {
        let request = self.call(Method::POST, user, &["alerts", "acknowledge"], &[]);
        let request = if ids.is_empty() { request } else { request.body(&json!({"ids": ids})) };
        request.send().await.map(drop)
    }

    /// Whether the buyer wants their alerts in one mail a day.
    pub(crate) async fn wants_digest(&self, user: &User) -> Result<bool> {
        let wish: DigestWish = self.call(Method::GET, user, &["digest"], &[]).json().await?;
        Ok(wish.wanted)
    }

    /// Says whether the buyer wants their alerts in one mail a day.
    pub(crate) async fn want_digest(&self, user: &User, wanted: bool) -> Result<()> {
        let request = self.call(Method::PUT, user, &["digest"], &[]);
        request.body(&json!({"wanted": wanted})).send().await.map(drop)
    }

    /// The stream of the buyer's alerts after the alert `after`, or from now on.
    pub(crate) async fn alert_stream(&self, user: &User, after: Option<i64>) -> Result<Response> {
        let query: Vec<_> = after.map(|id| ("lastEventId", id.to_string())).into_iter().collect();
        self.call(Method::GET, user, &["alerts", "stream"], &query).open_stream().await
    }

    /// The cart's version. The call is cheap while the version is still the `known` one.
    pub(crate) async fn version(&self, user: &User, known: Option<i64>) -> Result<i64> {
        let request = self.call(Method::GET, user, &[], &[]);
        let Some(known) = known else { return Ok(request.json::<Basket>().await?.version) };
        let reply = request.header("if-none-match", &format!("\"{known}\"")).send().await?;
        let is_known = reply.status == StatusCode::NOT_MODIFIED;
        if is_known { Ok(known) } else { Ok(reply.json::<Basket>()?.version) }
    }

    async fn basket(&self, user: &User, deadline: Duration) -> Result<Basket> {
        self.call(Method::GET, user, &[], &[]).deadline(deadline).json().await
    }

    fn put_request(&self, user: &User, product: i64, quantity: i64) -> Request {
        let request = self.call(Method::PUT, user, &["items", &product.to_string()], &[]);
        request.body(&json!({"quantity": quantity}))
    }

    /// A call that is nobody's.
    pub(super) fn get(&self, path: &[&str], query: &[(&str, String)]) -> Request {
        self.0.get(path, query)
    }

    pub(super) fn call(
        &self,
        method: Method,
        user: &User,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Request {
        let base = ["api", "v1", "basket", &user.name];
        self.0.request(method, &[&base[..], path].concat(), query).by(user)
    }
}
