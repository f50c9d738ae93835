//! Ids and quantities: whole numbers with limits, each checked once, where it is read.

/// Why a number is outside of its limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Below or above.
    #[error("{what} is a whole number {}, got {got}", limits(*.min, *.max))]
    OutOfRange {
        /// What the number stands for, with its article: `a quantity`.
        what: &'static str,
        /// The smallest that there is.
        min: i64,
        /// The largest that there is; `i64::MAX` is no limit.
        max: i64,
        /// The number itself.
        got: i64,
    },
    /// No number at all, one beyond 64 bits, or, in a path or a query, one with a plus or zeros before it.
    #[error("{0} is a whole number")]
    NotANumber(&'static str),
}

fn limits(min: i64, max: i64) -> String {
    if max == i64::MAX { format!("from {min}") } else { format!("from {min} to {max}") }
}

/// Reads what stands in a path or a query. `str::parse` would take "+1" and "01" as well, and one thing would have several
/// addresses.
///
/// # Errors
///
/// [`NumberError::NotANumber`].
pub fn parse(text: &str, what: &'static str) -> Result<i64, NumberError> {
    let number = text.parse().ok().filter(|number: &i64| number.to_string() == text);
    number.ok_or(NumberError::NotANumber(what))
}

/// The number, if it is within its limits.
///
/// # Errors
///
/// [`NumberError::OutOfRange`].
pub fn within(number: i64, what: &'static str, min: i64, max: i64) -> Result<i64, NumberError> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(NumberError::OutOfRange { what, min, max, got: number })
    }
}

/// Defines a type for a whole number that is never outside of its limits, whether it comes from JSON, a path or a
/// column.
///
/// ```
/// service_kit::whole_number! {
///     /// How many pieces.
///     pub struct Quantity(i16) is "a quantity" from 1 to 99, for example 2;
/// }
/// assert_eq!(Quantity::try_from(0).unwrap_err().to_string(), "a quantity is a whole number from 1 to 99, got 0");
/// ```
#[macro_export]
macro_rules! whole_number {
    (
        $(#[$doc:meta])*
        pub struct $name:ident($repr:ty) is $what:literal from $min:tt $(to $max:tt)?, for example $example:tt;
    ) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[serde(try_from = "i64", into = "i64")]
        #[sqlx(transparent)]
        #[schema(value_type = i64, minimum = $min, $(maximum = $max,)? example = $example)]
        pub struct $name($repr);

        impl TryFrom<i64> for $name {
            type Error = $crate::number::NumberError;

            fn try_from(number: i64) -> Result<Self, Self::Error> {
                $crate::number::within(number, $what, $min, $crate::whole_number!(@most $($max)?))
                    .and_then(|number| <$repr>::try_from(number).map(Self).or(Err($crate::number::NumberError::NotANumber($what))))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::number::NumberError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::number::parse(text, $what)?.try_into()
            }
        }

        impl From<$name> for i64 {
            fn from(number: $name) -> Self {
                number.0.into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
    (@most) => { i64::MAX };
    (@most $max:tt) => { $max };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_an_address_has_one_spelling() {
        for (text, number) in [("0", 0), ("7", 7), ("-7", -7), ("9223372036854775807", i64::MAX)] {
            assert_eq!(parse(text, "an id"), Ok(number));
        }
        let zeros = "0".repeat(30_000);
        for text in ["", "-", "+7", "-0", "007", " 7", "7.0", "7e0", "٧", "9223372036854775808", &zeros] {
            assert_eq!(parse(text, "an id"), Err(NumberError::NotANumber("an id")), "{text:?}");
        }
    }
}
