//! Tokens for visitors who sign in by name, in development mode only.

use std::time::Duration;

use chrono::Utc;
use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use service_kit::problem::Problem;
use service_kit::settings::{AuthSettings, Mode};

/// How long a session lasts.
const LIFETIME: Duration = Duration::from_hours(12);

/// Signs tokens with the secret that the services verify them with.
#[derive(Clone)]
pub(crate) struct Issuer {
    key: EncodingKey,
    iss: String,
    aud: String,
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

impl Issuer {
    /// `None` in production mode, and where tokens are verified with the keys of another issuer.
    pub(crate) fn new(settings: &AuthSettings, mode: Mode) -> Option<Self> {
        let secret = settings.secret.as_ref().filter(|_| mode == Mode::Development)?;
        Some(Self {
            key: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            iss: settings.issuer.clone(),
            aud: settings.audience.clone(),
        })
    }

    /// A token for this name, with these scopes separated by spaces.
    pub(crate) fn issue(&self, name: &str, scope: &str) -> Result<SecretString, Problem> {
        let now = Utc::now();
        let claims = Claims {
            sub: name,
            scope,
            iss: &self.iss,
            aud: &self.aud,
            iat: now.timestamp(),
            exp: (now + LIFETIME).timestamp(),
        };
        let token = encode(&Header::default(), &claims, &self.key);
        token.map(SecretString::from).map_err(|error| Problem::internal(&error))
    }
}
