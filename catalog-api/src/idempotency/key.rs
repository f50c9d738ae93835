//! The `Idempotency-Key`, and the request that it names.

use actix_web::HttpRequest;
use service_kit::problem::Problem;
use sha2::{Digest, Sha256};

/// The header.
const NAME: &str = "idempotency-key";
/// The longest key, in characters.
const MAX_LENGTH: usize = 255;

/// The value of an `Idempotency-Key`: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Reads the header. `None`: there is no header. 400 if the key is not valid, or there are two.
    ///
    /// The draft puts the key in quotes, and most clients leave them out. Both forms are the same key.
    pub fn of(request: &HttpRequest) -> Result<Option<Self>, Problem> {
        let mut values = request.headers().get_all(NAME);
        let Some(value) = values.next() else { return Ok(None) };
        let wrong = || {
            let detail = format!("send one key of 1 to {MAX_LENGTH} visible ASCII characters");
            Problem::validation(format!("{NAME}: {detail}")).parameter(NAME, detail)
        };
        let text = value.to_str().map_err(|_not_ascii| wrong())?.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_good = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_good || values.next().is_some() {
            return Err(wrong());
        }
        Ok(Some(Self(text.to_owned())))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request that its client can repeat.
#[derive(Debug, Clone)]
pub struct Request {
    /// The subject of the token: each subject has keys of its own.
    pub subject: String,
    /// Method and path.
    pub operation: String,
    /// The key.
    pub key: Key,
    /// SHA-256 of the `If-Match`, if there is one, and the body: the same change at another version is another request.
    pub fingerprint: [u8; 32],
}

impl Request {
    /// Puts a request's parts together.
    pub fn new(subject: &str, operation: (&str, &str), key: Key, if_match: &[u8], body: &[u8]) -> Self {
        let (method, path) = operation;
        Self {
            subject: subject.to_owned(),
            operation: format!("{method} {path}"),
            key,
            fingerprint: Sha256::new().chain_update(if_match).chain_update(body).finalize().into(),
        }
    }
}
