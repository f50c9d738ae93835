//! The `Idempotency-Key`: a request that its client may send again has one effect.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::problem::Problem;

/// The header.
const NAME: &str = "idempotency-key";
/// The longest key, in characters.
const MAX_LENGTH: usize = 255;

/// The value of an `Idempotency-Key`: 1 to 255 visible ASCII characters. As an argument of a handler it is required: a
/// request without one is 400.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Key(String);

impl Key {
    /// Reads the header; `None` without one.
    ///
    /// The draft puts the key in quotes, and most clients leave them out. Both forms are the same key.
    ///
    /// # Errors
    ///
    /// 400 if the key is not valid, or there are two.
    pub fn of(request: &HttpRequest) -> Result<Option<Self>, Problem> {
        let mut values = request.headers().get_all(NAME);
        let Some(value) = values.next() else { return Ok(None) };
        let text = value.to_str().map_err(|_not_ascii| wrong())?.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_good = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_good || values.next().is_some() {
            return Err(wrong());
        }
        Ok(Some(Self(text.to_owned())))
    }
}

impl FromRequest for Key {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).and_then(|key| key.ok_or_else(wrong)))
    }
}

fn wrong() -> Problem {
    let detail = format!("send one key of 1 to {MAX_LENGTH} visible ASCII characters");
    Problem::validation(format!("{NAME}: {detail}")).parameter(NAME, detail)
}
