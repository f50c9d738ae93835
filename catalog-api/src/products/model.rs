//! The ids, the price and the figures of a product. Each value is checked once, where it is read.

use serde::{Deserialize, Serialize};

use super::BASE;

/// The currency of every price.
pub(super) const CURRENCY: &str = "EUR";

service_kit::money! {
    /// An amount that a customer can be charged for one piece: at most 9,999,999.99.
    pub struct Price is "a price" up to 999_999_999 cents;
}

/// The largest stock figure.
const MAX_STOCK: i32 = 1_000_000;

/// Why a number is no id or stock figure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Ids start at 1.
    #[error("an id is a number from 1, got {0}")]
    Id(i64),
    /// A stock figure is negative or too large.
    #[error("a stock figure is a number from 0 to {MAX_STOCK}, got {0}")]
    Stock(i64),
}

/// The id of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "i64")]
#[sqlx(transparent)]
pub struct ProductId(i64);

/// The id of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "i64")]
#[sqlx(transparent)]
pub struct TypeId(i32);

/// The id of a brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "i64")]
#[sqlx(transparent)]
pub struct BrandId(i32);

/// A number of pieces, from 0 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "i64")]
#[sqlx(transparent)]
pub struct Stock(i32);

impl ProductId {
    /// The id as a number.
    pub fn get(self) -> i64 {
        self.0
    }

    /// The path of the product's picture.
    pub fn picture_url(self) -> String {
        format!("{BASE}/items/{}/pic", self.0)
    }
}

impl TryFrom<i64> for ProductId {
    type Error = ValueError;

    fn try_from(value: i64) -> Result<Self, ValueError> {
        if value > 0 { Ok(Self(value)) } else { Err(ValueError::Id(value)) }
    }
}

impl TypeId {
    /// The id as a number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for TypeId {
    type Error = ValueError;

    fn try_from(value: i64) -> Result<Self, ValueError> {
        small_id(value).map(Self)
    }
}

impl BrandId {
    /// The id as a number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for BrandId {
    type Error = ValueError;

    fn try_from(value: i64) -> Result<Self, ValueError> {
        small_id(value).map(Self)
    }
}

fn small_id(value: i64) -> Result<i32, ValueError> {
    i32::try_from(value).ok().filter(|id| *id > 0).ok_or(ValueError::Id(value))
}

impl TryFrom<i64> for Stock {
    type Error = ValueError;

    fn try_from(value: i64) -> Result<Self, ValueError> {
        i32::try_from(value)
            .ok()
            .filter(|count| (0..=MAX_STOCK).contains(count))
            .map(Self)
            .ok_or(ValueError::Stock(value))
    }
}
