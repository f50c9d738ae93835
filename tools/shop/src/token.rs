//! Development tokens: what `cargo shop token` prints and the demo signs in with.
//!
//! Two kinds, each accepted in development mode alone: signed with the development key (Ed25519), which accounts publishes
//! beside its own, for the whole shop; and signed with the development secret (HS256), for services on their own.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Where an issuer publishes its keys.
pub const JWKS: &str = "/.well-known/jwks.json";

/// The secret that services in development mode are started with.
///
/// Public on purpose, and refused by every service in production mode. `service-kit`
/// has the same constant; a test compares the two.
pub const DEVELOPMENT_SECRET: &str = "shop-development-secret-not-for-production";

/// The id of the development key, which follows from the secret. `service-kit` has the same constant.
pub const DEVELOPMENT_KEY_ID: &str = "shop-development";

/// What `iss` and `aud` of a token say, and services expect, unless configured otherwise.
const ISSUER_AND_AUDIENCE: &str = "shop";

/// Words of a token's `scope`, separated by single spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(String);

impl FromStr for Scope {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        // RFC 6749, section 3.3: a scope word is printable ASCII without space, quote and backslash.
        let allowed = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words.iter().find(|word| !word.chars().all(allowed)) {
            Some(word) => bail!("{word:?} is not a scope"),
            None => Ok(Self(words.join(" "))),
        }
    }
}

/// How long a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(Duration);

impl Lifetime {
    /// One day, which is what the tokens in `.shop/env` get.
    pub const DAY: Self = Self(Duration::from_hours(24));
}

impl FromStr for Lifetime {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let seconds: u64 = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => bail!("{text:?} is not a time: write a number and s, m, h or d, such as 90m"),
        };
        let number: u64 = number
            .parse()
            .with_context(|| format!("{text:?} does not begin with a number that makes sense"))?;
        // A century: more than anybody means, and far from overflowing a date.
        match number.checked_mul(seconds) {
            Some(total) if total <= 100 * 366 * 24 * 60 * 60 => Ok(Self(Duration::from_secs(total))),
            _ => bail!("{text} is longer than a century"),
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    scope: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// Signs a token with the development key for `sub`, allowed what `scopes` name, starting now.
///
/// Fails for an empty `sub`, and if the clock stands before 1970.
pub fn issue(sub: &str, scopes: &[Scope], lifetime: Lifetime) -> Result<String> {
    let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{DEVELOPMENT_KEY_ID}"}}"#);
    let signed = unsigned(&header, &claims(SystemTime::now(), sub, scopes, lifetime)?);
    let key = SigningKey::from_bytes(&Sha256::digest(DEVELOPMENT_SECRET).into());
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
    Ok(format!("{signed}.{signature}"))
}

/// Signs a token as [`issue`] does, with the development secret, valid from another moment on.
pub fn issue_with_secret(
    start: SystemTime,
    sub: &str,
    scopes: &[Scope],
    lifetime: Lifetime,
) -> Result<String> {
    let signed = unsigned(r#"{"alg":"HS256","typ":"JWT"}"#, &claims(start, sub, scopes, lifetime)?);
    let mut mac = Hmac::<Sha256>::new_from_slice(DEVELOPMENT_SECRET.as_bytes())?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

fn unsigned(header: &str, claims: &[u8]) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn claims(start: SystemTime, sub: &str, scopes: &[Scope], lifetime: Lifetime) -> Result<Vec<u8>> {
    if sub.trim().is_empty() {
        bail!("a token needs a name to be for, such as alice");
    }
    let scope =
        scopes.iter().map(|scope| scope.0.as_str()).filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ");
    let iat = start
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock of this machine stands before 1970")?
        .as_secs();
    let claims = Claims {
        sub,
        scope: &scope,
        iss: ISSUER_AND_AUDIENCE,
        aud: ISSUER_AND_AUDIENCE,
        iat,
        exp: iat + lifetime.0.as_secs(),
    };
    Ok(serde_json::to_vec(&claims)?)
}

/// Signs the buyer's token of `.shop/env`: for `alice`, a day.
pub fn buyer() -> Result<String> {
    issue("alice", &[], Lifetime::DAY)
}

/// Signs the operator's token of `.shop/env`: `catalog:write orders:ship ops`, a day.
pub fn operator() -> Result<String> {
    issue("operator", &["catalog:write orders:ship ops".parse()?], Lifetime::DAY)
}
