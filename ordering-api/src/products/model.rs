//! The id of a product, and amounts of money.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

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
#[schema(value_type = i64, minimum = 1, example = 7)]
pub struct ProductId(i64);

/// Why something is not a product id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a product id must be greater than zero, got {0}")]
pub struct ProductIdError(i64);

impl TryFrom<i64> for ProductId {
    type Error = ProductIdError;

    fn try_from(id: i64) -> Result<Self, ProductIdError> {
        if id > 0 { Ok(Self(id)) } else { Err(ProductIdError(id)) }
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

/// An amount of euro: above zero, in whole cents. Written as a string with two decimals; read from a string or a JSON
/// number, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, utoipa::ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$", example = "25.00")]
pub struct Amount(Decimal);

/// Why a value is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("an amount is a decimal number such as \"12.50\"")]
    NotANumber,
    /// Zero or less.
    #[error("an amount must be greater than zero, got {0}")]
    NotPositive(Decimal),
    /// Below a cent.
    #[error("an amount has at most two decimal places, got {0}")]
    TooPrecise(Decimal),
    /// Above the limit.
    #[error("an amount is at most {max}, got {0}", max = Amount::MAX)]
    TooHigh(Decimal),
}

impl Amount {
    /// The highest amount: 999,999,999,999.99, what `numeric(14, 2)` holds.
    pub const MAX: Decimal = Decimal::from_parts(276_447_231, 23_283, 0, false, 2);

    /// The longest text that is looked at, in characters.
    const MAX_TEXT: usize = 40;

    /// The amount as a number.
    pub fn get(self) -> Decimal {
        self.0
    }

    fn from_json(text: &str) -> Result<Self, AmountError> {
        let not_a_number = AmountError::NotANumber;
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(text).ok().ok_or(not_a_number)?.parse(),
            Some(b'-' | b'0'..=b'9') if text.contains(['e', 'E']) && text.len() <= Self::MAX_TEXT => {
                Self::try_from(Decimal::from_scientific(text).ok().ok_or(not_a_number)?)
            }
            Some(b'-' | b'0'..=b'9') => text.parse(),
            _ => Err(not_a_number),
        }
    }
}

impl TryFrom<Decimal> for Amount {
    type Error = AmountError;

    fn try_from(amount: Decimal) -> Result<Self, AmountError> {
        let mut cents = amount.normalize();
        if cents <= Decimal::ZERO {
            Err(AmountError::NotPositive(cents))
        } else if cents.scale() > 2 {
            Err(AmountError::TooPrecise(cents))
        } else if cents > Self::MAX {
            Err(AmountError::TooHigh(cents))
        } else {
            cents.rescale(2);
            Ok(Self(cents))
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// Reads digits, with a point and more digits if there are cents: no plus, no spaces, no exponent, no thousands.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, cents) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > Self::MAX_TEXT || !is_digits(whole) || !is_digits(cents) {
            return Err(AmountError::NotANumber);
        }
        Self::try_from(Decimal::from_str_exact(text).ok().ok_or(AmountError::NotANumber)?)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From JSON only: the number's own digits are read, so that no binary fraction comes in between.
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(raw.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_from_strings_and_numbers() {
        let read = |json: &str| serde_json::from_str::<Amount>(json).ok().map(|amount| amount.to_string());
        for (json, amount) in [
            ("\"12.5\"", "12.50"),
            ("12.5", "12.50"),
            ("1.25e1", "12.50"),
            ("\"12.500\"", "12.50"),
            ("999999999999.99", "999999999999.99"),
        ] {
            assert_eq!(read(json).as_deref(), Some(amount), "{json}");
        }
        for json in [
            "0",
            "-1",
            "\"\"",
            "\"1,5\"",
            "\"+1\"",
            "\" 1\"",
            "0.001",
            "1000000000000",
            "null",
            "[]",
            "\"1e3\"",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
