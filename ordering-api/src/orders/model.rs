//! The ids and values of an order, each parsed once at the edge.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::text::{has_card_number, is_hidden};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// An order's id; also the key of all its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(transparent)]
#[sqlx(transparent)]
#[schema(value_type = Uuid, example = "019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11")]
pub struct OrderId(pub Uuid);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

service_kit::whole_number! {
    /// How many pieces of a product: 1 to 99.
    pub struct Quantity(i16) is "a quantity" from 1 to 99, for example 2;
}

/// A text on one line, in one form whichever way it was typed, without control characters and others that are not seen or
/// change the direction of writing: 1 to 200 characters. Spaces around it are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 200)]
pub struct Line(String);

/// What a payment provider calls a means of payment: 1 to 255 visible ASCII characters. No card number.
// Read from any value: what serde says of a number or an object in place of a text would repeat it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(try_from = "Value")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "tok_ok")]
pub struct Token(String);

/// Why a text cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No text.
    #[error("the text must not be empty")]
    Empty,
    /// More characters than are kept.
    #[error("the text has at most {limit} characters, got {length}")]
    TooLong {
        /// The most characters.
        limit: usize,
        /// The characters found.
        length: usize,
    },
    /// Line breaks, NUL, and what is not seen or turns the text around it.
    #[error(
        "control characters, and those that are not seen or change the direction of writing, are not allowed"
    )]
    Hidden,
    /// A token with spaces or characters beyond ASCII.
    #[error("a token is 1 to 255 visible ASCII characters")]
    NotAToken,
    /// What may be a card's number.
    #[error("this may be a card's number, which is not taken: send the payment provider's token for it")]
    CardNumber,
}

impl Line {
    /// The most characters.
    const LIMIT: usize = 200;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Line {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        if text.chars().any(is_hidden) {
            return Err(TextError::Hidden);
        }
        let text: String = text.trim().nfc().collect();
        let length = text.chars().count();
        match length {
            0 => Err(TextError::Empty),
            1..=Self::LIMIT => Ok(Self(text)),
            _ => Err(TextError::TooLong { limit: Self::LIMIT, length }),
        }
    }
}

impl TryFrom<Value> for Token {
    type Error = TextError;

    fn try_from(value: Value) -> Result<Self, TextError> {
        let Value::String(text) = value else { return Err(TextError::NotAToken) };
        if has_card_number(&text) {
            return Err(TextError::CardNumber);
        }
        let is_token = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token { Ok(Self(text)) } else { Err(TextError::NotAToken) }
    }
}

/// Says nothing of the token: it must not come into a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Where an order goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Who gets it.
    pub name: Line,
    /// Street and number.
    pub street: Line,
    /// The postcode, as it is written there.
    pub postcode: Line,
    /// The city.
    pub city: Line,
    /// The country.
    pub country: Line,
}
