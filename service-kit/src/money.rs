//! Amounts of money: above zero, in whole cents, each checked once, where it is read.

use rust_decimal::Decimal;

/// Why a value is no amount. `what` it stands for has its article: `a price`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("{0} is a decimal number such as \"12.50\"")]
    NotANumber(&'static str),
    /// Zero or less.
    #[error("{0} must be greater than zero, got {1}")]
    NotPositive(&'static str, Decimal),
    /// Below a cent.
    #[error("{0} has at most two decimal places, got {1}")]
    TooPrecise(&'static str, Decimal),
    /// Above the limit.
    #[error("{what} is at most {max}, got {got}")]
    TooLarge {
        /// What the amount stands for.
        what: &'static str,
        /// The highest that there is.
        max: Decimal,
        /// The amount itself.
        got: Decimal,
    },
}

/// The longest text that is looked at, in characters.
const MAX_TEXT: usize = 40;

/// The amount with two decimals, if it is above zero, in whole cents and at most `max`.
///
/// # Errors
///
/// Every [`MoneyError`] but [`NotANumber`](MoneyError::NotANumber).
pub fn within(amount: Decimal, what: &'static str, max: Decimal) -> Result<Decimal, MoneyError> {
    // Zeros at the end are no fraction of a cent.
    let mut amount = if amount.scale() > 2 { amount.normalize() } else { amount };
    if amount <= Decimal::ZERO {
        Err(MoneyError::NotPositive(what, amount))
    } else if amount.scale() > 2 {
        Err(MoneyError::TooPrecise(what, amount))
    } else if amount > max {
        Err(MoneyError::TooLarge { what, max, got: amount })
    } else {
        amount.rescale(2);
        Ok(amount)
    }
}

/// Reads digits, with a point and more digits if there are cents. No sign but a minus (which no amount has), no spaces,
/// no exponent, no thousands.
///
/// # Errors
///
/// [`MoneyError::NotANumber`].
pub fn parse(text: &str, what: &'static str) -> Result<Decimal, MoneyError> {
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
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > MAX_TEXT || !is_digits(whole) || !is_digits(cents) {
        return Err(MoneyError::NotANumber(what));
    }
    Decimal::from_str_exact(text).or(Err(MoneyError::NotANumber(what)))
}

/// Reads a string or a number as it stands in JSON: the number's own digits, which may have an exponent, so that no binary
/// fraction comes in between.
///
/// # Errors
///
/// [`MoneyError::NotANumber`].
pub fn from_json(json: &str, what: &'static str) -> Result<Decimal, MoneyError> {
    let refused = MoneyError::NotANumber(what);
    match json.as_bytes().first() {
        Some(b'"') => {
            serde_json::from_str::<String>(json).or(Err(refused)).and_then(|text| parse(&text, what))
        }
        Some(b'-' | b'0'..=b'9') => match json.split_once(['e', 'E']) {
            None => parse(json, what),
            Some((base, _)) if json.len() <= MAX_TEXT => {
                // `from_scientific` rounds a base of too many digits; `parse` refuses it.
                parse(base, what)?;
                Decimal::from_scientific(json).or(Err(refused))
            }
            Some(_) => Err(refused),
        },
        _ => Err(refused),
    }
}

/// Defines a type for an amount of money that is never outside of its limits. Written as a string with two decimals; read
/// from JSON's strings and numbers, exactly.
///
/// ```
/// service_kit::money! {
///     /// What one piece costs.
///     #[derive(utoipa::ToSchema)]
///     #[schema(value_type = String, example = "12.50")]
///     pub struct Price is "a price" up to 999_999_999 cents;
/// }
/// assert_eq!(serde_json::from_str::<Price>("12.5").unwrap().to_string(), "12.50");
/// ```
#[macro_export]
macro_rules! money {
    ($(#[$meta:meta])* $vis:vis struct $name:ident is $what:literal up to $max:literal cents;) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
        #[sqlx(transparent)]
        $vis struct $name(rust_decimal::Decimal);

        impl $name {
            /// The amount as a number.
            $vis fn amount(self) -> rust_decimal::Decimal {
                self.0
            }
        }

        impl TryFrom<rust_decimal::Decimal> for $name {
            type Error = $crate::money::MoneyError;

            fn try_from(amount: rust_decimal::Decimal) -> Result<Self, Self::Error> {
                $crate::money::within(amount, $what, rust_decimal::Decimal::new($max, 2)).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:.2}", self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let json = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
                let amount = $crate::money::from_json(json.get(), $what).and_then(Self::try_from);
                amount.map_err(serde::de::Error::custom)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    crate::money! {
        /// As the catalog has it.
        struct Price is "a price" up to 999_999_999 cents;
    }

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
            ("1.00000000000000000000000000000000000e1", "10.00"),
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
            "1.00000000000000000000000000001e1",
            "0.009999999999999999999999999999999e0",
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
        fn every_amount_of_cents_survives_being_written_and_read(cents in 1_i64..=999_999_999) {
            let price = Price::try_from(Decimal::new(cents, 2)).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(price.amount(), Decimal::new(cents, 2));
            let text = serde_json::to_string(&price).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&text, &format!("\"{}.{:02}\"", cents / 100, cents % 100));
            prop_assert_eq!(serde_json::from_str::<Price>(&text).ok(), Some(price));
            prop_assert_eq!(serde_json::from_str::<Price>(text.trim_matches('"')).ok(), Some(price));
        }

        #[test]
        fn no_text_makes_reading_a_price_panic(text in ".{0,60}") {
            drop(parse(&text, "a price"));
            drop(serde_json::from_str::<Price>(&text));
        }

        #[test]
        fn no_number_makes_reading_a_price_panic(text in "-?[0-9]{1,35}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,6})?") {
            drop(serde_json::from_str::<Price>(&text));
            drop(parse(&text, "a price"));
        }
    }
}
