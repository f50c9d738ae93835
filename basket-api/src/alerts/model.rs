//! An alert, as it is listed and streamed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::products::{Price, ProductId, ProductName};

/// An alert's id. Of one buyer's alerts a later one has the higher id.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[sqlx(transparent)]
#[schema(value_type = i64, minimum = 1, example = 42)]
pub struct AlertId(pub i64);

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AlertKind {
    /// A product in the cart has another price.
    PriceChanged,
    /// A product in the cart is no longer sold.
    ProductRemoved,
}

/// Something that happened to a product while it was in the buyer's cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The alert's id; also the event id of the stream.
    #[sqlx(rename = "alert_id")]
    pub id: AlertId,
    /// The event that caused it, the same for every cart.
    pub event_id: Uuid,
    /// What it is about.
    pub kind: AlertKind,
    /// The product.
    pub product_id: ProductId,
    /// What the product was called.
    pub product_name: ProductName,
    /// Its price before.
    #[schema(value_type = Option<String>, example = "10.00")]
    pub old_price: Option<Price>,
    /// Its price since; null when it was removed.
    #[schema(value_type = Option<String>, example = "12.50")]
    pub new_price: Option<Price>,
    /// When the cart was changed.
    pub created_at: DateTime<Utc>,
    /// When the buyer acknowledged it; null until then.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// The step of a trace that raised it, for streams.
    #[serde(skip)]
    #[sqlx(default)]
    pub traceparent: Option<String>,
}

/// One page of a buyer's alerts, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertPage {
    /// How many alerts the buyer has in all.
    pub count: i64,
    /// Those of this page.
    pub data: Vec<Alert>,
}
