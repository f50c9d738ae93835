//! The integration events of the products. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::outbox::{self, AppendError};
use event_bus::{TraceContext, event};
use serde::Serialize;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::model::CURRENCY;
use super::{Name, Price, Product, ProductEvent, ProductId};

/// Appends the integration events of these domain events to the outbox, in order; returns their ids.
///
/// A change of the stock figures stays inside the catalog.
pub(super) async fn append(
    tx: &mut Transaction<'_, Postgres>,
    events: &[ProductEvent],
    trace: &TraceContext,
) -> Result<Vec<Uuid>, AppendError> {
    let mut ids = Vec::with_capacity(events.len());
    for event in events {
        ids.push(match event {
            ProductEvent::Added(product) => {
                outbox::append_traced(tx, &ProductAdded::of(product), trace).await?
            }
            ProductEvent::Changed(product) => {
                outbox::append_traced(tx, &ProductChanged::of(product), trace).await?
            }
            ProductEvent::PriceChanged(product, old_price) => {
                outbox::append_traced(tx, &ProductPriceChanged::of(product, *old_price), trace).await?
            }
            ProductEvent::Removed(product) => {
                outbox::append_traced(tx, &ProductRemoved::of(product), trace).await?
            }
            ProductEvent::StockChanged(_) => continue,
        });
    }
    Ok(ids)
}

/// A product can be bought now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductAdded {
    product_id: ProductId,
    name: Name,
    price: Price,
    currency: &'static str,
    picture_url: String,
    version: i64,
}

/// A product costs something else now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductPriceChanged {
    product_id: ProductId,
    name: Name,
    old_price: Price,
    new_price: Price,
    currency: &'static str,
    version: i64,
}

/// A product has another name or picture now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductChanged {
    product_id: ProductId,
    name: Name,
    picture_url: String,
    version: i64,
}

/// A product cannot be bought any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRemoved {
    product_id: ProductId,
    version: i64,
}

impl ProductAdded {
    /// The event of a new product.
    pub fn of(product: &Product) -> Self {
        Self {
            product_id: product.id,
            name: product.name.clone(),
            price: product.price,
            currency: CURRENCY,
            picture_url: product.id.picture_url(),
            version: product.version,
        }
    }
}

impl ProductPriceChanged {
    /// The event of a change from `old_price` to the price that the product has.
    pub fn of(product: &Product, old_price: Price) -> Self {
        Self {
            product_id: product.id,
            name: product.name.clone(),
            old_price,
            new_price: product.price,
            currency: CURRENCY,
            version: product.version,
        }
    }
}

impl ProductChanged {
    /// The event of a product after the change.
    pub fn of(product: &Product) -> Self {
        Self {
            product_id: product.id,
            name: product.name.clone(),
            picture_url: product.id.picture_url(),
            version: product.version,
        }
    }
}

impl ProductRemoved {
    /// The event of a removed product, at its last version.
    pub fn of(product: &Product) -> Self {
        Self { product_id: product.id, version: product.version }
    }
}

event!(ProductAdded, "shop.catalog.product_added.v1", |it| (it.product_id, it.version));
event!(ProductPriceChanged, "shop.catalog.product_price_changed.v1", |it| (it.product_id, it.version));
event!(ProductChanged, "shop.catalog.product_changed.v1", |it| (it.product_id, it.version));
event!(ProductRemoved, "shop.catalog.product_removed.v1", |it| (it.product_id, it.version));
