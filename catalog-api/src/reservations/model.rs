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

/// How many pieces: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "i64", into = "i64")]
#[sqlx(transparent)]
pub struct Pieces(i32);

/// Why a number is no number of pieces.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number of pieces is from 1 to {max}, got {0}", max = Pieces::MAX)]
pub struct PiecesError(i64);

impl Pieces {
    const MAX: i32 = 10_000;

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for Pieces {
    type Error = PiecesError;

    fn try_from(pieces: i64) -> Result<Self, PiecesError> {
        match i32::try_from(pieces) {
            Ok(count) if (1..=Self::MAX).contains(&count) => Ok(Self(count)),
            _ => Err(PiecesError(pieces)),
        }
    }
}

impl From<Pieces> for i64 {
    fn from(pieces: Pieces) -> Self {
        pieces.0.into()
    }
}

/// How many pieces of which product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
        *pieces = pieces.saturating_add(item.quantity.get());
    }
    wanted
}
