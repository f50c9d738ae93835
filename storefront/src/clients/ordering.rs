//! The routes of ordering-api that pages need.

use chrono::{DateTime, Utc};
use reqwest::{Method, Response};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Client, Request, Result};
use crate::session::User;
use crate::settings::{Settings, service_variable};

/// A client of ordering-api. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct OrderingClient(Client);

/// Where an order is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    Submitted,
    AwaitingStock,
    StockConfirmed,
    Paid,
    Shipped,
    Cancelled,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

/// An order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    #[serde(rename = "orderId")]
    pub(crate) id: Uuid,
    pub(crate) buyer_id: String,
    pub(crate) status: OrderStatus,
    pub(crate) items: Vec<OrderLine>,
    pub(crate) total: Decimal,
    pub(crate) currency: String,
    pub(crate) address: Option<Address>,
    pub(crate) placed_at: DateTime<Utc>,
    /// Why it is cancelled.
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) history: Vec<Step>,
}

/// A product in an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderLine {
    pub(crate) product_id: i64,
    pub(crate) product_name: String,
    pub(crate) unit_price: Decimal,
    pub(crate) quantity: i64,
}

/// A status that an order got.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) status: OrderStatus,
    pub(crate) at: DateTime<Utc>,
    pub(crate) event_id: Option<Uuid>,
}

/// Where an order goes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    pub(crate) name: String,
    pub(crate) street: String,
    pub(crate) postcode: String,
    pub(crate) city: String,
    pub(crate) country: String,
}

/// A page of orders, and how many orders all pages have.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderPage {
    pub(crate) count: u64,
    pub(crate) data: Vec<Order>,
}

/// What a buyer orders.
#[derive(Debug)]
pub(crate) struct Placing<'a> {
    /// The products, with quantities.
    pub(crate) items: &'a [(i64, i64)],
    pub(crate) address: &'a Address,
    pub(crate) payment_token: &'a str,
    /// The total that the buyer has seen.
    pub(crate) expected_total: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    order_id: Uuid,
}

impl OrderingClient {
    /// A client of the configured ordering; `None` in a shop without orders. Does not connect.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let service = settings.services.get("ordering");
        let client = |url: &str| Client::new("ordering", &service_variable("ordering"), url).map(Self);
        service.map(|service| client(&service.url)).transpose()
    }

    /// Places an order. A repeated `key` places nothing more.
    pub(crate) async fn place(&self, user: &User, placing: &Placing<'_>, key: &str) -> Result<Uuid> {
        let item = |(id, quantity): &(i64, i64)| json!({"productId": id, "quantity": quantity});
        let body = json!({
            "items": placing.items.iter().map(item).collect::<Vec<_>>(),
            "address": placing.address,
            "payment": {"token": placing.payment_token},
            "expectedTotal": placing.expected_total,
        });
        let request = self.call(Method::POST, user, &[], &[]).header("idempotency-key", key);
        Ok(request.body(&body).json::<Placed>().await?.order_id)
    }

    /// One page (from 0) of orders, newest first: those with this status, of this buyer.
    pub(crate) async fn list(
        &self,
        user: &User,
        buyer: Option<&str>,
        status: Option<&str>,
        (page, size): (u32, u8),
    ) -> Result<OrderPage> {
        let mut query = vec![("pageIndex", page.to_string()), ("pageSize", size.to_string())];
        query.extend(buyer.map(|buyer| ("buyerId", buyer.to_owned())));
        query.extend(status.map(|status| ("status", status.to_owned())));
        self.call(Method::GET, user, &[], &query).json().await
    }

    pub(crate) async fn order(&self, user: &User, id: Uuid) -> Result<Order> {
        self.call(Method::GET, user, &[&id.to_string()], &[]).json().await
    }

    pub(crate) async fn cancel(&self, user: &User, id: Uuid) -> Result<()> {
        let request = self.call(Method::POST, user, &[&id.to_string(), "cancel"], &[]);
        request.body(&json!({})).send().await.map(drop)
    }

    pub(crate) async fn ship(&self, user: &User, id: Uuid) -> Result<()> {
        let request = self.call(Method::POST, user, &[&id.to_string(), "ship"], &[]);
        request.send().await.map(drop)
    }

    /// The stream of changes of the user's orders.
    pub(crate) async fn stream(&self, user: &User) -> Result<Response> {
        self.call(Method::GET, user, &["stream"], &[]).open_stream().await
    }

    fn call(&self, method: Method, user: &User, path: &[&str], query: &[(&str, String)]) -> Request {
        let base = ["api", "v1", "orders"];
        self.0.request(method, &[&base[..], path].concat(), query).by(user)
    }
}
