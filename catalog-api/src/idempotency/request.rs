//! A request that its client can repeat.

use service_kit::idempotency_key::Key;
use sha2::{Digest, Sha256};

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
