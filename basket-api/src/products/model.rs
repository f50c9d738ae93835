//! The values that a product is made of, each parsed once at the edge.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A product's id in the catalog: positive.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(try_from = "i64", into = "i64")]
#[sqlx(transparent)]
#[schema(value_type = i64, minimum = 1, example = 1)]
pub struct ProductId(i64);

/// Why something is not a product id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProductIdError {
    /// Zero or below.
    #[error("a product id must be greater than zero, got {0}")]
    NotPositive(i64),
    /// Not a whole number, or one beyond 64 bits.
    #[error("a product id must be a whole number")]
    NotANumber,
}

impl TryFrom<i64> for ProductId {
    type Error = ProductIdError;

    fn try_from(id: i64) -> Result<Self, ProductIdError> {
        if id > 0 { Ok(Self(id)) } else { Err(ProductIdError::NotPositive(id)) }
    }
}

impl FromStr for ProductId {
    type Err = ProductIdError;

    fn from_str(text: &str) -> Result<Self, ProductIdError> {
        // `parse` alone would take "+1" as well, and one product would have two addresses.
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ProductIdError::NotANumber);
        }
        text.parse::<i64>().or(Err(ProductIdError::NotANumber))?.try_into()
    }
}

impl From<ProductId> for i64 {
    fn from(id: ProductId) -> Self {
        id.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one piece of a product costs: positive, in whole cents. On the wire a string, `"12.50"`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(try_from = "Decimal", into = "Decimal")]
#[sqlx(transparent)]
#[schema(value_type = String, pattern = r"^[0-9]{1,10}\.[0-9]{2}$", example = "12.50")]
pub struct Price(Decimal);

/// Why something is not a price.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Zero or below.
    #[error("a price must be greater than zero, got {0}")]
    NotPositive(Decimal),
    /// Fractions of a cent.
    #[error("a price has at most two decimal places, got {0}")]
    TooPrecise(Decimal),
    /// Beyond what the column `numeric(12, 2)` holds.
    #[error("a price is at most {max}, got {0}", max = Price::MAX)]
    TooHigh(Decimal),
}

impl Price {
    /// The highest price: 9,999,999,999.99.
    pub const MAX: Decimal = Decimal::from_parts(3_567_587_327, 232, 0, false, 2);

    /// The amount, with two decimal places.
    pub fn amount(self) -> Decimal {
        self.0
    }
}

impl TryFrom<Decimal> for Price {
    type Error = PriceError;

    fn try_from(amount: Decimal) -> Result<Self, PriceError> {
        if amount <= Decimal::ZERO {
            return Err(PriceError::NotPositive(amount));
        }
        if amount.normalize().scale() > 2 {
            return Err(PriceError::TooPrecise(amount));
        }
        if amount > Self::MAX {
            return Err(PriceError::TooHigh(amount));
        }
        let mut cents = amount;
        cents.rescale(2);
        Ok(Self(cents))
    }
}

impl From<Price> for Decimal {
    fn from(price: Price) -> Self {
        price.0
    }
}

/// The currencies that a basket can add up: one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Euro.
    Eur,
}

impl Currency {
    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
        }
    }
}

/// A product's name as the catalog gives it: 1 to 1,000 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 1000, example = "Trail mug")]
pub struct ProductName(String);

/// The address of a product's picture, absolute or a path at the catalog: up to 2,048 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, max_length = 2048, example = "/api/v1/catalog/items/1/pic")]
pub struct PictureUrl(String);

/// Why a text of the catalog cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A product without a name cannot be shown.
    #[error("a {0} must not be empty")]
    Empty(&'static str),
    /// More characters than are kept.
    #[error("a {what} has at most {limit} characters, got {length}")]
    TooLong {
        /// Which text it is.
        what: &'static str,
        /// The most characters.
        limit: usize,
        /// The characters found.
        length: usize,
    },
    /// PostgreSQL refuses NUL in text.
    #[error("a {0} must not contain NUL")]
    Nul(&'static str),
}

impl TryFrom<String> for ProductName {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty("product name"));
        }
        check_text("product name", 1000, &text)?;
        Ok(Self(text))
    }
}

impl TryFrom<String> for PictureUrl {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        check_text("picture url", 2048, &text)?;
        Ok(Self(text))
    }
}

fn check_text(what: &'static str, limit: usize, text: &str) -> Result<(), TextError> {
    if text.contains('\0') {
        return Err(TextError::Nul(what));
    }
    let length = text.chars().count();
    if length > limit { Err(TextError::TooLong { what, limit, length }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_is_positive_in_whole_cents_and_fits_its_column() {
        let price = |text: &str| Price::try_from(text.parse::<Decimal>().unwrap());
        assert_eq!(price("12.5").unwrap().amount().to_string(), "12.50");
        assert_eq!(price("12.5000").unwrap().amount().to_string(), "12.50");
        assert_eq!(Price::MAX.to_string(), "9999999999.99");
        assert_eq!(price("9999999999.99").unwrap().amount(), Price::MAX);
        assert!(matches!(price("10000000000"), Err(PriceError::TooHigh(_))));
        assert!(matches!(price("0.00"), Err(PriceError::NotPositive(_))));
        assert!(matches!(price("-1"), Err(PriceError::NotPositive(_))));
        assert!(matches!(price("0.005"), Err(PriceError::TooPrecise(_))));
    }

    #[test]
    fn a_product_has_one_address() {
        assert_eq!("7".parse::<ProductId>().map(i64::from), Ok(7));
        for text in ["", "-", "+7", "7.0", "seven", " 7", "99999999999999999999", "٧"] {
            assert_eq!(text.parse::<ProductId>(), Err(ProductIdError::NotANumber), "{text:?}");
        }
        assert_eq!("0".parse::<ProductId>(), Err(ProductIdError::NotPositive(0)));
        assert_eq!("-7".parse::<ProductId>(), Err(ProductIdError::NotPositive(-7)));
    }

    #[test]
    fn text_that_the_database_would_refuse_is_refused_first() {
        assert_eq!(ProductName::try_from("a\0b".to_owned()), Err(TextError::Nul("product name")));
        assert_eq!(ProductName::try_from(String::new()), Err(TextError::Empty("product name")));
        assert!(ProductName::try_from("é".repeat(1000)).is_ok());
        assert!(matches!(ProductName::try_from("é".repeat(1001)), Err(TextError::TooLong { .. })));
        assert!(PictureUrl::try_from(String::new()).is_ok());
    }

    proptest! {
        #[test]
        fn every_amount_of_cents_survives_the_wire(cents in 1_i64..=999_999_999_999) {
            let price = Price::try_from(Decimal::new(cents, 2)).unwrap();
            let wire = serde_json::to_string(&price).unwrap();
            prop_assert_eq!(serde_json::from_str::<Price>(&wire).unwrap(), price);
        }
    }
}
