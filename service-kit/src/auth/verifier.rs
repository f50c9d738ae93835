//! Checks tokens against the configured secret or the issuer's keys.

use std::sync::Arc;

use anyhow::bail;
use chrono::Utc;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, decode_header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::claims::{Checked, Claims};
use super::jwks::{Jwks, KeyError};
use super::{DEVELOPMENT_SECRET, Identity};
use crate::problem::Problem;
use crate::settings::{AuthSettings, Mode, check_secret};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// Checks bearer tokens. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    keys: Keys,
    algorithms: Vec<Algorithm>,
    issuer: String,
    audience: String,
}

enum Keys {
    Secret(DecodingKey),
    Published(Arc<Jwks>),
}

impl Verifier {
    /// Makes the verifier that the settings ask for; an error names the setting that is wrong.
    pub fn new(settings: &AuthSettings, mode: Mode) -> anyhow::Result<Self> {
        let (keys, algorithms) = match (&settings.secret, &settings.jwks_url) {
            (Some(_), Some(_)) => bail!("settings auth.secret and auth.jwks_url are both set: remove one"),
            (None, None) => bail!(
                "setting auth.secret is missing: set APP__AUTH__SECRET, APP__AUTH__SECRET_FILE or \
                 APP__AUTH__JWKS_URL"
            ),
            (Some(secret), None) => {
                let secret = secret.expose_secret();
                check_secret("auth.secret", secret, DEVELOPMENT_SECRET, mode)?;
                (Keys::Secret(DecodingKey::from_secret(secret.as_bytes())), vec![Algorithm::HS256])
            }
            (None, Some(url)) => (Keys::Published(Arc::new(Jwks::new(url)?)), Jwks::ALGORITHMS.to_vec()),
        };
        let (issuer, audience) = (settings.issuer.clone(), settings.audience.clone());
        Ok(Self(Arc::new(Inner { keys, algorithms, issuer, audience })))
    }

    /// Checks a token, and says whose it is and what it allows.
    ///
    /// 401 for a token that does not count, 503 when the issuer's keys cannot be had.
    pub async fn verify(&self, token: &str) -> Result<Identity, Problem> {
        let invalid = |detail: &str| Problem::unauthorized(Some("invalid_token"), detail);
        if token.len() > MAX_TOKEN {
            return Err(invalid("the token is too long"));
        }
        let unreadable = |error: &jsonwebtoken::errors::Error| invalid(reason(error.kind()));
        let header = decode_header(token).map_err(|error| unreadable(&error))?;
        let algorithm = header.alg;
        // The algorithm is one of ours, and the key itself must be made for it: a public key is never taken for a
        // shared secret.
        if !self.0.algorithms.contains(&algorithm) {
            return Err(invalid(reason(&ErrorKind::InvalidAlgorithm)));
        }
        // RFC 7515, section 4.1.11: what is critical there and not known here makes the token invalid.
        if header.crit.is_some() {
            return Err(invalid("the token's header asks for what is not known here"));
        }
        let key = self.key(header.kid.as_deref(), algorithm).await?;
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        let is_signed = verify(signature, message.as_bytes(), &key, algorithm);
        if !is_signed.map_err(|error| unreadable(&error))? {
            return Err(invalid(reason(&ErrorKind::InvalidSignature)));
        }
        // The signature is good. The claims are checked here, not by the library, which is narrower than the standard.
        let claims =
            insecure_decode_claims::<Map<String, Value>>(token).map_err(|error| unreadable(&error))?;
        let claims = Claims::new(claims);
        let Inner { issuer, audience, .. } = &*self.0;
        let Checked { subject, scopes, expires_at } =
            claims.check(issuer, audience, Utc::now()).map_err(|fault| invalid(&fault))?;
        Ok(Identity { subject, scopes: scopes.into_iter().collect(), expires_at })
    }
}

impl Verifier {
    /// The key that the token must be signed with.
    async fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Problem> {
        let keys = match &self.0.keys {
            Keys::Secret(key) => return Ok(key.clone()),
            Keys::Published(keys) => keys,
        };
        keys.find(id, algorithm).await.map_err(|error| match error {
            KeyError::Unknown => {
                Problem::unauthorized(Some("invalid_token"), "the token is signed with an unknown key")
            }
            KeyError::Unavailable { again_in } => {
                Problem::unavailable("the keys to check tokens with cannot be had now, try again", again_in)
            }
        })
    }
}

/// What a caller may know about why a token does not count.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token's algorithm is not accepted"
        }
        _ => "the token cannot be read",
    }
}
