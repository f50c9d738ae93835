//! What the other services are told. The wire form is a contract: `contracts/<type>.json`.

use event_bus::Event;
use serde::Serialize;

use super::price::CURRENCY;
use super::{Item, Name, Price, ProductId};

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

/// A product presents itself differently now: anything but its price and stock.
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
    /// The event of this product's arrival.
    pub fn new(item: &Item) -> Self {
        Self {
            product_id: item.id,
            name: item.name.clone(),
            price: item.price,
            currency: CURRENCY,
            picture_url: item.id.picture_url(),
            version: item.version,
        }
    }
}

impl ProductPriceChanged {
    /// The event of a change from `old_price` to the price that the product has.
    pub fn new(item: &Item, old_price: Price) -> Self {
        Self {
            product_id: item.id,
            name: item.name.clone(),
            old_price,
            new_price: item.price,
            currency: CURRENCY,
            version: item.version,
        }
    }
}

impl ProductChanged {
    /// The event of this product's new looks.
    pub fn new(item: &Item) -> Self {
        Self {
            product_id: item.id,
            name: item.name.clone(),
            picture_url: item.id.picture_url(),
            version: item.version,
        }
    }
}

impl ProductRemoved {
    /// The event of this product's end.
    pub fn new(item: &Item) -> Self {
        Self { product_id: item.id, version: item.version }
    }
}

/// An event about one product: its key is the product, its version the product's.
macro_rules! product_event {
    ($event:ty, $type:literal) => {
        impl Event for $event {
            const TYPE: &'static str = $type;

            fn key(&self) -> String {
                self.product_id.get().to_string()
            }

            fn version(&self) -> i64 {
                self.version
            }
        }
    };
}

product_event!(ProductAdded, "shop.catalog.product_added.v1");
product_event!(ProductPriceChanged, "shop.catalog.product_price_changed.v1");
product_event!(ProductChanged, "shop.catalog.product_changed.v1");
product_event!(ProductRemoved, "shop.catalog.product_removed.v1");
