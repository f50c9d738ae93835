//! Money.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The currency of every price.
pub(super) const CURRENCY: &str = "EUR";

/// An amount that a customer can be charged for one piece: above zero, in whole cents, at most
/// 9,999,999.99. Written as a string with two decimals; read from a string or a JSON number, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Price(Decimal);

/// Why a value is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal number.
    #[error("a price is a decimal number such as \"12.50\"")]
    NotANumber,
    /// Zero or less.
    #[error("a price must be greater than zero, got {0}")]
    NotPositive(Decimal),
    /// Below a cent.
    #[error("a price has at most two decimal places, got {0}")]
    TooPrecise(Decimal),
    /// Above the limit.
    #[error("a price is at most {limit}, got {0}", limit = Price::MAX)]
    TooLarge(Decimal),
}

impl Price {
    /// The highest price.
    pub const MAX: Self = Self(Decimal::from_parts(999_999_999, 0, 0, false, 2));

    /// The longest text that is looked at, in characters.
    const MAX_TEXT: usize = 40;

    /// The price of this many cents; for the products that the shop starts with.
    pub fn from_cents(cents: u32) -> Result<Self, PriceError> {
        Self::try_from(Decimal::new(i64::from(cents), 2))
    }

    /// The amount.
    pub fn amount(self) -> Decimal {
        self.0
    }

    /// Reads a number as JSON writes it, which may have an exponent.
    fn from_json_number(text: &str) -> Result<Self, PriceError> {
        if !text.contains(['e', 'E']) {
            return text.parse();
        }
        if text.len() > Self::MAX_TEXT {
            return Err(PriceError::NotANumber);
        }
        Self::try_from(Decimal::from_scientific(text).map_err(|_not_a_decimal| PriceError::NotANumber)?)
    }
}

impl TryFrom<Decimal> for Price {
    type Error = PriceError;

    fn try_from(amount: Decimal) -> Result<Self, PriceError> {
        // Zeros at the end are no fraction of a cent.
        let amount = if amount.scale() > 2 { amount.normalize() } else { amount };
        if amount <= Decimal::ZERO {
            Err(PriceError::NotPositive(amount))
        } else if amount.scale() > 2 {
            Err(PriceError::TooPrecise(amount))
        } else if amount > Self::MAX.0 {
            Err(PriceError::TooLarge(amount))
        } else {
            Ok(Self(amount))
        }
    }
}

impl FromStr for Price {
    type Err = PriceError;

    /// Reads digits, with a point and more digits if there are cents. No sign but a minus (which no
    /// price has), no spaces, no exponent, no thousands.
    fn from_str(text: &str) -> Result<Self, PriceError> {
        // Any number of zeros after the cents says nothing more.
        let text = match text.split_once('.') {
            Some((whole, cents)) if !cents.is_empty() => {
                let digits = cents.trim_end_matches('0').len().max(2).min(cents.len());
                text.get(..whole.len() + 1 + digits).unwrap_or(text)
            }
            _ => text,
        };
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, cents) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if text.len() > Self::MAX_TEXT || !is_digits(whole) || !is_digits(cents) {
            return Err(PriceError::NotANumber);
        }
        Self::try_from(Decimal::from_str_exact(text).map_err(|_not_a_decimal| PriceError::NotANumber)?)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From JSON only: the number's own digits are read, so that no binary fraction comes in between.
impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let price = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(text).map_err(D::Error::custom)?.parse(),
            Some(b'-' | b'0'..=b'9') => Self::from_json_number(text),
            _ => Err(PriceError::NotANumber),
        };
        price.map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<String> {
        serde_json::from_str::<Price>(json).ok().map(|price| price.to_string())
    }

    #[test]
    fn prices_are_read_exactly_from_strings_and_numbers() {
        for (json, price) in [
            ("\"12.50\"", "12.50"),
            ("\"12.5\"", "12.50"),
            ("\"12\"", "12.00"),
            ("12.5", "12.50"),
            ("12", "12.00"),
            ("0.01", "0.01"),
            ("0.29", "0.29"),
            ("\"10.000\"", "10.00"),
            ("10.000", "10.00"),
            ("\"10.0\"", "10.00"),
            ("\"12.500\"", "12.50"),
            ("12.5000000000000000000000000000000000000000000000000", "12.50"),
            ("\"0.010000000000000000000000000000000000000000000000\"", "0.01"),
            ("1.0000e1", "10.00"),
            ("10000000e-6", "10.00"),
            ("1e2", "100.00"),
            ("1.5E1", "15.00"),
            ("9999999.99", "9999999.99"),
            ("\"9999999.99\"", "9999999.99"),
        ] {
            assert_eq!(read(json).as_deref(), Some(price), "{json}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for json in [
            "0",
            "\"0.00\"",
            "-1",
            "\"-0.01\"",
            "-0.0",
            "12.345",
            "\"12.345\"",
            "\"10.001\"",
            "10.001",
            "10.0010",
            "1.0001e1",
            "\"10.\"",
            "0.001",
            "10000000",
            "\"10000000.00\"",
            "1e400",
            "1e-400",
            "1e30",
            "\"NaN\"",
            "\"Infinity\"",
            "\"1e2\"",
            "\"1_000\"",
            "\"1,50\"",
            "\" 12\"",
            "\"+12\"",
            "\".5\"",
            "\"5.\"",
            "\"\"",
            "\"1\\u0000\"",
            "null",
            "true",
            "[]",
            "{}",
            "\"٣\"",
            "99999999999999999999999999999999999999999999999999",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_of_cents_survives_being_written_and_read(cents in 1_u32..=999_999_999) {
            let price = Price::from_cents(cents).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let text = serde_json::to_string(&price).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&text, &format!("\"{}.{:02}\"", cents / 100, cents % 100));
            prop_assert_eq!(serde_json::from_str::<Price>(&text).ok(), Some(price));
            prop_assert_eq!(serde_json::from_str::<Price>(text.trim_matches('"')).ok(), Some(price));
        }

        #[test]
        fn no_text_makes_reading_a_price_panic(text in ".{0,60}") {
            drop(text.parse::<Price>());
            drop(serde_json::from_str::<Price>(&text));
        }

        #[test]
        fn no_number_makes_reading_a_price_panic(text in "-?[0-9]{1,35}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,6})?") {
            drop(serde_json::from_str::<Price>(&text));
            drop(text.parse::<Price>());
        }
    }
}
