//! The issuer's published keys: fetched with a deadline, kept, and looked up again when one is new.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::StreamExt;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::RwLock;

/// How long the issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The least time between two questions, so that forged key ids cannot make us a flood.
const MIN_INTERVAL: Duration = Duration::from_mins(1);
/// The age at which keys are fetched again although nothing new was seen: a withdrawn key goes.
const MAX_AGE: Duration = Duration::from_mins(10);
/// The largest document that is read, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// The keys of one issuer.
pub(super) struct Jwks {
    url: reqwest::Url,
    client: reqwest::Client,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Key>,
    asked: Option<Instant>,
    answered: Option<Instant>,
}

#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a key could not be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    /// The issuer has no such key.
    Unknown,
    /// The issuer has never answered.
    Unavailable,
}

impl Jwks {
    /// The algorithms that a published key may be for.
    pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    /// Nothing is fetched yet: the service starts while the issuer is away.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(url).context("setting auth.jwks_url: not a URL")?;
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { url, client, known: RwLock::default() })
    }

    /// The key with this id; without an id, the only key there is for the algorithm.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, KeyError> {
        {
            let known = self.known.read().await;
            let fresh = known.answered.is_some_and(|at| at.elapsed() < MAX_AGE);
            if let Some(key) = known.find(id, algorithm).filter(|_| fresh || !known.may_ask()) {
                return Ok(key);
            }
            if !known.may_ask() {
                return Err(known.absence());
            }
        }
        // One asks, the others wait for the answer here.
        let mut known = self.known.write().await;
        if known.may_ask() {
            known.asked = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => {
                    known.keys = keys;
                    known.answered = Some(Instant::now());
                }
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot fetch the issuer's keys"),
            }
        }
        known.find(id, algorithm).ok_or_else(|| known.absence())
    }

    async fn fetch(&self) -> anyhow::Result<HashMap<String, Key>> {
        let answer = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let mut document = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            document.extend_from_slice(&chunk?);
            anyhow::ensure!(document.len() <= MAX_DOCUMENT, "the answer is larger than {MAX_DOCUMENT} bytes");
        }
        let set: JwkSet = serde_json::from_slice(&document).context("the answer is not a key set")?;
        Ok(set.keys.iter().filter_map(usable).collect())
    }
}

impl Known {
    fn may_ask(&self) -> bool {
        self.asked.is_none_or(|at| at.elapsed() >= MIN_INTERVAL)
    }

    fn absence(&self) -> KeyError {
        if self.answered.is_some() { KeyError::Unknown } else { KeyError::Unavailable }
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let key = match id {
            Some(id) => self.keys.get(id)?,
            None if self.keys.len() == 1 => self.keys.values().next()?,
            None => return None,
        };
        (key.algorithm == algorithm).then(|| key.key.clone())
    }
}

/// The id and the key, if it is of a kind that we check signatures with.
fn usable(jwk: &Jwk) -> Option<(String, Key)> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone().unwrap_or_default(), Key { algorithm, key }))
}
