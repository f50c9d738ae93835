//! The values that a payment is made of, each parsed once at the edge.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_kit::text::has_card_number;
use utoipa::ToSchema;

/// Why a value of an event cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a code as in ISO 4217.
    #[error("a currency is three capital letters")]
    Currency,
    /// Not an order's id.
    #[error("an order's id has 1 to 100 characters, none of which is a control character")]
    OrderId,
}

service_kit::money! {
    /// What is charged: positive, in whole cents. On the wire a string, `"12.50"`.
    #[derive(ToSchema)]
    #[schema(value_type = String, pattern = r"^[0-9]{1,12}\.[0-9]{2}$", example = "12.50")]
    pub struct Amount is "an amount" up to 99_999_999_999_999 cents;
}

/// A currency's code, as in ISO 4217.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
pub struct Currency(String);

impl TryFrom<String> for Currency {
    type Error = ValueError;

    fn try_from(code: String) -> Result<Self, ValueError> {
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_code { Ok(Self(code)) } else { Err(ValueError::Currency) }
    }
}

/// The order that is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f]+$")]
pub struct OrderId(String);

impl TryFrom<String> for OrderId {
    type Error = ValueError;

    fn try_from(id: String) -> Result<Self, ValueError> {
        let is_id = (1..=100).contains(&id.chars().count()) && !id.chars().any(char::is_control);
        if is_id { Ok(Self(id)) } else { Err(ValueError::OrderId) }
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the buyer pays with, as the provider knows it. It is not shown, and not logged.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Token(String);

impl Token {
    /// Takes a text that may be a token; `None` for what no provider gives out, and for what may be a card's number,
    /// which must not be stored.
    pub fn parse(text: &str) -> Option<Self> {
        let is_token = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_token && !has_card_number(text)).then(|| Self(text.to_owned()))
    }

    /// The token, for the provider.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What has become of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// The provider is to charge it; whether it has is not known yet.
    Requested,
    /// Charged.
    Succeeded,
    /// Not charged, and never will be: the provider has declined it, or its token is none.
    Failed,
    /// Not charged, and never will be: the order was cancelled.
    Cancelled,
    /// Charged, and to be refunded: whether it has been is not known yet.
    Refunding,
    /// Charged and refunded.
    Refunded,
    /// The provider has answered with another amount or currency. An operator decides.
    Held,
}

impl State {
    /// The word for it, as in SQL and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Held => "held",
        }
    }
}

/// What the provider says that it has charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The provider's name for it.
    pub id: String,
    /// How much; not always what was asked for.
    pub amount: Decimal,
    /// In which currency.
    pub currency: String,
}

impl Charge {
    /// Whether this is what was to be charged.
    pub fn is(&self, amount: Amount, currency: &Currency) -> bool {
        self.amount == amount.0 && self.currency == currency.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cards_number_is_no_token_and_no_token_is_shown() {
        for text in ["4111111111111111", "4111-1111-1111-1111", "tok_4111111111111111", "", "a b", "a\0", "é"]
        {
            assert_eq!(Token::parse(text), None, "{text:?}");
        }
        assert_eq!(Token::parse(&"t".repeat(256)), None);
        let token = Token::parse("tok_ok").unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        assert!(Token::parse("tok_018f3a5c2b7e").is_some() && Token::parse("1234").is_some());
    }
}
