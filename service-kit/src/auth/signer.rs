//! Signs tokens that the services of the shop accept.

use std::time::Duration;

use chrono::Utc;
use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::problem::Problem;
use crate::settings::AuthSettings;

/// Signs tokens with the secret that the services verify them with.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    scope: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl Signer {
    /// `None` where tokens are verified with the published keys of an issuer instead of a secret.
    pub fn new(settings: &AuthSettings) -> Option<Self> {
        let secret = settings.secret.as_ref()?;
        Some(Self {
            key: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
        })
    }

    /// A token for this subject, with these scopes separated by spaces.
    pub fn sign(&self, subject: &str, scope: &str, lifetime: Duration) -> Result<SecretString, Problem> {
        let now = Utc::now();
        let claims = Claims {
            sub: subject,
            scope,
            iss: &self.issuer,
            aud: &self.audience,
            iat: now.timestamp(),
            exp: (now + lifetime).timestamp(),
        };
        let token = encode(&Header::default(), &claims, &self.key);
        token.map(SecretString::from).map_err(|error| Problem::internal(&error))
    }
}
