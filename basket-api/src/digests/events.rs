//! The integration events of digests. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::event;
use serde::Serialize;

use crate::baskets::BuyerId;
use crate::products::{Currency, Price, ProductId, ProductName};

/// It is time for a buyer's digest: a scheduled event of this service to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceDigestDue {
    /// Whose.
    pub buyer_id: BuyerId,
    /// The digest's version.
    #[serde(skip)]
    pub version: i64,
}

/// What has happened to products in a buyer's cart, and has not been acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceDigestMade {
    /// Whose.
    pub buyer_id: BuyerId,
    /// The first changes, the oldest first.
    pub changes: Vec<Change>,
    /// How many there are beyond these.
    pub more: i64,
    /// The currency of all prices.
    pub currency: Currency,
    /// The digest's version.
    #[serde(skip)]
    pub version: i64,
}

/// One change of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The product.
    pub product_id: ProductId,
    /// What it was called.
    pub product_name: ProductName,
    /// Its price before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_price: Option<Price>,
    /// Its price since; absent where it is no longer sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_price: Option<Price>,
}

event!(PriceDigestDue, "shop.basket.price_digest_due.v1", |it| (it.buyer_id, it.version));
event!(PriceDigestMade, "shop.basket.price_digest_made.v1", |it| (it.buyer_id, it.version));
