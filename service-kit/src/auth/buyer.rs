//! A caller as a buyer.

use std::fmt;
use std::str::FromStr;

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::problem::Problem;

/// Whose carts and orders they are: the `sub` of a token, 1 to 64 letters, digits and `-_.@+:|`, not dots alone: those mean
/// another place in a path.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.@+:|-]+$", example = "alice")]
pub struct BuyerId(String);

/// Why something is not a buyer's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a buyer id is 1 to 64 letters, digits and -_.@+:|, not dots alone")]
pub struct BuyerIdError;

impl BuyerId {
    /// The id as it stands in a token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BuyerId {
    type Err = BuyerIdError;

    fn from_str(text: &str) -> Result<Self, BuyerIdError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+:|".contains(&byte);
        let is_dots = text.bytes().all(|byte| byte == b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(is_allowed) && !is_dots {
            Ok(Self(text.to_owned()))
        } else {
            Err(BuyerIdError)
        }
    }
}

impl TryFrom<String> for BuyerId {
    type Error = BuyerIdError;

    fn try_from(text: String) -> Result<Self, BuyerIdError> {
        text.parse()
    }
}

impl fmt::Display for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Identity {
    /// The caller as a buyer; 403 if their token's subject can be none.
    pub fn buyer(&self) -> Result<BuyerId, Problem> {
        self.subject.parse().map_err(|error: BuyerIdError| {
            Problem::new(StatusCode::FORBIDDEN, "not-a-buyer", "the token's subject can be no buyer")
                .detail(format!("the token's claim sub is no buyer's id: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buyer_id_is_short_and_plain() {
        for text in ["alice", "a", "auth0|63f", "a.b-c_d@example.org", &"x".repeat(64)] {
            assert_eq!(text.parse::<BuyerId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in ["", " ", "a b", "a/b", "a\0b", "älice", "a%20b", "a,b", ".", "..", &"x".repeat(65)] {
            assert_eq!(text.parse::<BuyerId>(), Err(BuyerIdError), "{text:?}");
        }
    }
}
