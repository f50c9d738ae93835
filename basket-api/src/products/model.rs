//! The values that a product is made of, each parsed once at the edge.

use serde::{Deserialize, Serialize};

service_kit::whole_number! {
    /// A product's id in the catalog: positive.
    pub struct ProductId(i64) is "a product id" from 1, for example 1;
}

service_kit::money! {
    /// What one piece of a product costs: positive, in whole cents. On the wire a string, `"12.50"`.
    #[derive(utoipa::ToSchema)]
    #[schema(value_type = String, pattern = r"^[0-9]{1,10}\.[0-9]{2}$", example = "12.50")]
    pub struct Price is "a price" up to 999_999_999_999 cents;
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
    use service_kit::number::NumberError;

    use super::*;

    #[test]
    fn a_product_has_one_address() {
        assert_eq!("7".parse::<ProductId>().map(i64::from), Ok(7));
        for text in ["", "-", "+7", "7.0", "seven", " 7", "99999999999999999999", "٧"] {
            assert_eq!(text.parse::<ProductId>(), Err(NumberError::NotANumber("a product id")), "{text:?}");
        }
        assert_eq!(
            "0".parse::<ProductId>(),
            Err(NumberError::OutOfRange { what: "a product id", min: 1, max: i64::MAX, got: 0 })
        );
        assert_eq!(
            "-7".parse::<ProductId>(),
            Err(NumberError::OutOfRange { what: "a product id", min: 1, max: i64::MAX, got: -7 })
        );
    }

    #[test]
    fn text_that_the_database_would_refuse_is_refused_first() {
        assert_eq!(ProductName::try_from("a\0b".to_owned()), Err(TextError::Nul("product name")));
        assert_eq!(ProductName::try_from(String::new()), Err(TextError::Empty("product name")));
        assert!(ProductName::try_from("é".repeat(1000)).is_ok());
        assert!(matches!(ProductName::try_from("é".repeat(1001)), Err(TextError::TooLong { .. })));
        assert!(PictureUrl::try_from(String::new()).is_ok());
    }
}
