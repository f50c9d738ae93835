//! The token in the link by which a user shows that an address is theirs.
//!
//! The service that sends the mail and the service that checks the link share a secret
//! (`APP__LINKS__SECRET`), and both derive the token from it: so the token is on no bus, in no log of events and in no
//! table. It says until when it counts, and for which user. That it counts only once is for the checking service to
//! remember: a token alone cannot know.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::settings::{Mode, check_secret};

/// How long a link counts.
pub const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// The secret that `cargo shop up` and the Compose file give in development mode. It is published with the source, so
/// production mode refuses it.
pub const DEVELOPMENT_SECRET: &str = "shop-development-links-not-for-production";

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 128;
/// What is signed begins with this: the secret makes no other sort of token.
const PURPOSE: &[u8] = b"shop address validation v1\0";

/// How the links in mails are signed.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSettings {
    /// The secret that signs the links in mails, at least 32 bytes; the same for accounts and for who sends its mails.
    #[schema(value_type = Option<String>, default = json!(null))]
    pub secret: Option<SecretString>,
}

/// Signs links, and checks them.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// It was not made by us, or for another user.
    #[error("the token is not one of ours for this user")]
    Forged,
    /// It was, and its day is over.
    #[error("the token has expired")]
    Expired,
}

impl LinkKey {
    /// Makes the key that the settings ask for; an error names the setting that is wrong.
    pub fn new(settings: &LinkSettings, mode: Mode) -> anyhow::Result<Self> {
        let secret = settings
            .secret
            .as_ref()
            .context("setting links.secret is missing: set APP__LINKS__SECRET or APP__LINKS__SECRET_FILE")?;
        let secret = secret.expose_secret();
        check_secret("links.secret", secret, DEVELOPMENT_SECRET, mode)?;
        Ok(Self(Hmac::new_from_slice(secret.as_bytes()).context("setting links.secret")?))
    }

    /// The token for this user's link, which counts for [`LIFETIME`] from this time on. Letters, digits, `-`, `_` and
    /// one dot: it needs no escaping in an address. Equal questions have equal answers.
    pub fn sign(&self, user: Uuid, from: DateTime<Utc>) -> String {
        let until = (from + LIFETIME).timestamp();
        let signature = self.keyed(user, until).finalize().into_bytes();
        format!("{until}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Checks a token; says until when it counts. Takes the same time however much of a signature is right.
    pub fn verify(&self, user: Uuid, token: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, LinkFault> {
        let (until, signature) = read(token).ok_or(LinkFault::Forged)?;
        let checked = self.keyed(user, until).verify_slice(&signature);
        checked.ok().ok_or(LinkFault::Forged)?;
        let until = DateTime::from_timestamp(until, 0).ok_or(LinkFault::Forged)?;
        if until < now { Err(LinkFault::Expired) } else { Ok(until) }
    }

    fn keyed(&self, user: Uuid, until: i64) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(PURPOSE);
        mac.update(user.as_bytes());
        mac.update(&until.to_be_bytes());
        mac
    }
}

/// The end of the token's time and its signature. Only the text that [`LinkKey::sign`] writes is read.
fn read(token: &str) -> Option<(i64, Vec<u8>)> {
    let (until, signature) = token.split_once('.').filter(|_| token.len() <= MAX_TOKEN)?;
    let number = until.parse::<i64>().ok().filter(|number| number.to_string() == until)?;
    Some((number, URL_SAFE_NO_PAD.decode(signature).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> LinkKey {
        let settings = LinkSettings { secret: Some(secret.into()) };
        LinkKey::new(&settings, Mode::Development).unwrap()
    }

    #[test]
    fn a_links_token_counts_for_its_user_for_a_day() {
        let (key, user, now) = (key(DEVELOPMENT_SECRET), Uuid::now_v7(), Utc::now());
        let token = key.sign(user, now);
        assert_eq!(token, key.sign(user, now));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{token}");
        assert!(key.verify(user, &token, now + LIFETIME - TimeDelta::seconds(2)).is_ok());
        assert_eq!(key.verify(user, &token, now + LIFETIME + TimeDelta::seconds(2)), Err(LinkFault::Expired));
        assert_eq!(key.verify(Uuid::now_v7(), &token, now), Err(LinkFault::Forged));
    }

    #[test]
    fn a_links_token_that_others_made_or_changed_is_refused() {
        let (ours, user, now) = (key(DEVELOPMENT_SECRET), Uuid::now_v7(), Utc::now());
        let token = ours.sign(user, now);
        let (until, signature) = token.split_once('.').unwrap();
        let later = until.parse::<i64>().unwrap() + 1;
        let forged = [
            key(&"x".repeat(32)).sign(user, now),
            format!("{later}.{signature}"),
            format!("+{token}"),
            format!("0{token}"),
            format!("{token}="),
            format!("{}.{signature}", i64::MAX),
            format!("{until}."),
            until.to_owned(),
            String::new(),
            "x".repeat(100_000),
            "é.é".to_owned(),
            "1.\0".to_owned(),
        ];
        for token in forged {
            assert_eq!(ours.verify(user, &token, now), Err(LinkFault::Forged), "{token}");
        }
    }

    #[test]
    fn a_links_secret_is_long_and_in_production_ones_own() {
        let refused = |secret: Option<&str>, mode| {
            let settings = LinkSettings { secret: secret.map(Into::into) };
            LinkKey::new(&settings, mode).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(refused(None, Mode::Development).contains("APP__LINKS__SECRET"));
        assert!(refused(Some("short"), Mode::Development).contains("at least 32"));
        assert!(refused(Some(DEVELOPMENT_SECRET), Mode::Production).contains("published"));
        assert_eq!(refused(Some(&"x".repeat(32)), Mode::Production), "");
    }
}
