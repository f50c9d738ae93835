//! The JSON bodies that clients get.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{Address, Quantity};
use super::{BuyerId, OrderId, Reason, Status};
use crate::products::{Amount, ProductId};

/// An order, as its buyer and the shop's merchants see it.
#[derive(Debug, Clone, Serialize, sqlx::FromRow, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// Whose it is.
    pub buyer_id: BuyerId,
    /// Where it stands.
    pub status: Status,
    /// What was ordered, at the prices of the checkout.
    #[sqlx(json)]
    pub items: Vec<Item>,
    /// What it costs, with two decimal places.
    pub total: Amount,
    /// The currency of all its prices.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Where it goes.
    // As it is kept: earlier versions took some that are refused now.
    #[sqlx(json)]
    #[schema(value_type = Address)]
    pub address: Box<RawValue>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// Why it was cancelled; null while it is not.
    pub reason: Option<Reason>,
    /// What is known of that beyond the reason, for people.
    pub detail: Option<String>,
    /// Every status that it has had, oldest first.
    #[sqlx(json)]
    pub history: Vec<Change>,
    /// Rises with every change; the number in the entity tag.
    #[schema(minimum = 1)]
    pub version: i64,
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderItem)]
pub struct Item {
    /// The product.
    pub product_id: ProductId,
    /// What it was called at the checkout.
    pub product_name: String,
    /// What one piece cost at the checkout.
    pub unit_price: Amount,
    /// How many pieces.
    pub quantity: Quantity,
    /// Where its picture is.
    pub picture_url: String,
}

/// A status that an order has had.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The status.
    pub status: Status,
    /// Since when.
    pub at: DateTime<Utc>,
    /// The event that brought it about, or that told of it.
    pub event_id: Uuid,
}

/// Where an order stands after a request.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its id.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: Status,
}
