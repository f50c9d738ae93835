//! Signs tokens that the services of the shop accept.

use std::time::Duration;

use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::SigningKey;
use crate::problem::Problem;
use crate::settings::{AuthSettings, Mode};

/// Signs tokens with what the services verify them with.
#[derive(Clone)]
pub struct Signer {
    header: Header,
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
    /// Signs for anybody, in development: with the shared secret, or, where tokens are verified with published keys,
    /// with the [development key](SigningKey::development). `None` where neither is accepted.
    pub fn new(settings: &AuthSettings, mode: Mode) -> anyhow::Result<Option<Self>> {
        Ok(match &settings.secret {
            Some(secret) => {
                let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
                Some(Self::with(settings, Header::default(), key))
            }
            None if mode == Mode::Development => Some(Self::with_key(settings, &SigningKey::development()?)),
            None => None,
        })
    }

    /// Signs with this key, as an issuer does.
    pub fn with_key(settings: &AuthSettings, key: &SigningKey) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        // RFC 9068: what it is, so that it is taken for nothing else.
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key.id().to_owned());
        Self::with(settings, header, key.encoding())
    }

    fn with(settings: &AuthSettings, header: Header, key: EncodingKey) -> Self {
        let AuthSettings { issuer, audience, .. } = settings.clone();
        Self { header, key, issuer, audience }
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
        let token = encode(&self.header, &claims, &self.key);
        token.map(SecretString::from).map_err(|error| Problem::internal(&error))
    }
}
