//! The `Idempotency-Key` of a checkout.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use service_kit::problem::Problem;

/// The header.
const NAME: &str = "idempotency-key";
/// The longest key, in characters.
const MAX_LENGTH: usize = 255;

/// The value of an `Idempotency-Key`, with or without quotes: 1 to 255 visible ASCII characters. 400 without one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Key(pub(super) String);

impl FromRequest for Key {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(NAME);
        let text = values.next().and_then(|value| value.to_str().ok()).map(str::trim).unwrap_or_default();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_key =
            (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key && values.next().is_none() {
            return ready(Ok(Self(text.to_owned())));
        }
        let detail = format!("send one key of 1 to {MAX_LENGTH} visible ASCII characters");
        ready(Err(Problem::validation(format!("{NAME}: {detail}")).parameter(NAME, detail)))
    }
}
