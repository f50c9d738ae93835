//! An order, as far as the catalog knows it: its id and what it wants.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::products::ProductId;

/// The id of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct OrderId(pub Uuid);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

service_kit::whole_number! {
    /// How many pieces: 1 to 10,000.
    pub struct Pieces(i32) is "a number of pieces" from 1 to 10_000, for example 2;
}

/// How many pieces of which product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReservedItem)]
pub struct Item {
    /// The product.
    #[schema(value_type = i64, minimum = 1)]
    pub product_id: ProductId,
    /// The pieces.
    #[schema(value_type = i64, minimum = 1)]
    pub quantity: Pieces,
}

/// The pieces of each product, by its id. Lines of one product count together.
pub(super) fn by_product(items: &[Item]) -> BTreeMap<ProductId, i32> {
    let mut wanted = BTreeMap::new();
    for item in items {
        let pieces: &mut i32 = wanted.entry(item.product_id).or_default();
        *pieces = pieces.saturating_add(item.quantity.0);
    }
    wanted
}
