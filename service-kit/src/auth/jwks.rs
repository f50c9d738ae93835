//! The issuer's published keys: fetched with a deadline, kept, and looked up again when one is new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard, RwLock};
use tokio::task::JoinHandle;

/// How long the issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How soon a question that failed is asked again: then twice as long each time, up to the second of these.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// How long until an unknown key id may make us ask once more: forged ids cannot make us a flood.
const EARLY: Duration = Duration::from_secs(15);
/// What unknown ids may use of that in advance: five questions at once. A new key is found although there were some.
const EARLY_BURST: Duration = Duration::from_mins(1);
/// The age at which keys are fetched again although nothing new was seen: a withdrawn key goes, after the requests that come
/// before the answer.
const MAX_AGE: Duration = Duration::from_mins(10);
/// The largest document that is read, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// The keys of one issuer.
pub(super) struct Jwks {
    url: reqwest::Url,
    client: reqwest::Client,
    known: RwLock<Known>,
    /// Held while the issuer is asked.
    asking: Arc<Mutex<()>>,
}

struct Known {
    keys: Keys,
    answered: Option<Instant>,
    /// Questions since the last answer, and from when on there may be one more.
    failures: u32,
    retry_from: Instant,
    /// When the early questions so far are made up for.
    early_until: Instant,
}

/// Keys by what they are asked for.
type Keys = HashMap<(String, Algorithm), Key>;

/// What an issuer publishes (RFC 7517, section 5).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
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
    Unavailable {
        /// When it is asked again, in seconds.
        again_in: u32,
    },
}

impl Jwks {
    /// The algorithms that a published key may be for.
    pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    /// Nothing is fetched yet: the service starts while the issuer is away.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(url).context("setting auth.jwks_url: not a URL")?;
        ensure!(
            ["http", "https"].contains(&url.scheme()),
            "setting auth.jwks_url must be http:// or https://"
        );
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { url, client, known: RwLock::new(Known::new(Instant::now())), asking: Arc::default() })
    }

    /// The key with this id; without an id, the only key there is for the algorithm.
    pub(super) async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, KeyError> {
        let began = Instant::now();
        match self.look(id, algorithm).await {
            (Ok(key), may_ask) => {
                // Whether old keys still count is asked once, and nobody waits for the answer.
                if may_ask && let Ok(asking) = Arc::clone(&self.asking).try_lock_owned() {
                    self.ask(asking);
                }
                return Ok(key);
            }
            // Whoever comes before the first answer waits for it.
            (Err(error), false) if error == KeyError::Unknown || self.asking.try_lock().is_ok() => {
                return Err(error);
            }
            // One asks, the others wait for the answer here.
            (Err(_), _) => {
                let asking = Arc::clone(&self.asking).lock_owned().await;
                let (key, may_ask) = self.look(id, algorithm).await;
                let is_answered = self.known.read().await.answered.is_some_and(|at| at > began);
                if key.is_err()
                    && may_ask
                    && !is_answered
                    && let Err(error) = self.ask(asking).await
                {
                    tracing::warn!(%error, "cannot fetch the issuer's keys");
                }
            }
        }
        self.look(id, algorithm).await.0
    }

    /// The key, and whether the issuer may be asked for it now.
    async fn look(&self, id: Option<&str>, algorithm: Algorithm) -> (Result<DecodingKey, KeyError>, bool) {
        let (known, now) = (self.known.read().await, Instant::now());
        let key = known.find(id, algorithm).ok_or_else(|| known.absence(now));
        let may_ask = known.may_ask(key.is_ok(), now);
        (key, may_ask)
    }

    /// Asks for the keys, to the end also where nobody waits for it any more.
    fn ask(self: &Arc<Self>, asking: OwnedMutexGuard<()>) -> JoinHandle<()> {
        let jwks = Arc::clone(self);
        tokio::spawn(async move {
            jwks.known.write().await.asking(Instant::now());
            match jwks.fetch().await {
                Ok(keys) => jwks.known.write().await.answered(keys, Instant::now()),
                Err(error) => {
                    jwks.known.write().await.put_off(Instant::now());
                    tracing::warn!(error = format!("{error:#}"), "cannot fetch the issuer's keys");
                }
            }
            drop(asking);
        })
    }

    async fn fetch(&self) -> anyhow::Result<Keys> {
        let answer = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let mut document = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            document.extend_from_slice(&chunk?);
            anyhow::ensure!(document.len() <= MAX_DOCUMENT, "the answer is larger than {MAX_DOCUMENT} bytes");
        }
        let set: KeySet = serde_json::from_slice(&document).context("the answer is not a key set")?;
        let mut keys = HashMap::new();
        for (id, key) in set.keys.into_iter().filter_map(usable) {
            // One id may name keys of different kinds (RFC 7517, section 4.5); of one kind, the first counts.
            keys.entry((id, key.algorithm)).or_insert(key);
        }
        Ok(keys)
    }
}

impl Known {
    fn new(now: Instant) -> Self {
        Self { keys: HashMap::new(), answered: None, failures: 0, retry_from: now, early_until: now }
    }

    /// Whether the issuer may be asked now, for a key that is there or not.
    fn may_ask(&self, is_found: bool, now: Instant) -> bool {
        let is_fresh = self.answered.is_some_and(|at| now.duration_since(at) < MAX_AGE);
        let may_early = !is_found && self.early_until <= now + EARLY_BURST;
        now >= self.retry_from && (!is_fresh || may_early)
    }

    /// Counts a question, as one that fails until it is answered.
    fn asking(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.put_off(now);
        if self.answered.is_some() {
            self.early_until = self.early_until.max(now) + EARLY;
        }
    }

    fn put_off(&mut self, now: Instant) {
        let doubled = 2_u32.saturating_pow(self.failures.saturating_sub(1));
        self.retry_from = now + RETRY.0.saturating_mul(doubled).min(RETRY.1);
    }

    fn answered(&mut self, keys: Keys, now: Instant) {
        self.keys = keys;
        (self.answered, self.failures, self.retry_from) = (Some(now), 0, now);
    }

    fn absence(&self, now: Instant) -> KeyError {
        if self.answered.is_some() {
            return KeyError::Unknown;
        }
        let wait = self.retry_from.saturating_duration_since(now).as_secs_f64().ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most half a minute")]
        let again_in = (wait as u32).max(1);
        KeyError::Unavailable { again_in }
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let key = if let Some(id) = id {
            self.keys.get(&(id.to_owned(), algorithm))?
        } else {
            let mut of_algorithm = self.keys.values().filter(|key| key.algorithm == algorithm);
            of_algorithm.next().filter(|_| of_algorithm.next().is_none())?
        };
        Some(key.key.clone())
    }
}

/// The id and the key, if it is of a kind that we check signatures with, and meant for that. What is not even a key is left out
/// too: an issuer may publish kinds that nobody knew when this was written.
fn usable(jwk: Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id.clone().unwrap_or_default(), Key { algorithm, key }))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn an_old_key_is_had_at_once_while_one_question_about_it_hangs() {
        // It lets everybody connect, and answers nobody.
        let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", issuer.local_addr().unwrap());
        let jwks = Arc::new(Jwks::new(&url).unwrap());
        let algorithm = Algorithm::EdDSA;
        let key = Key { algorithm, key: DecodingKey::from_ed_der(&[1; 32]) };
        let keys = HashMap::from([(("old".to_owned(), algorithm), key)]);
        jwks.known.write().await.answered(keys, Instant::now().checked_sub(MAX_AGE).unwrap());
        let find = async || timeout(Duration::from_secs(1), jwks.find(Some("old"), algorithm)).await;
        assert!(find().await.expect("at once").is_ok());
        let _asked = timeout(TIMEOUT, issuer.accept()).await.expect("it is asked").unwrap();
        // From then on another question would be due.
        tokio::time::sleep(2 * RETRY.0).await;
        assert!(find().await.expect("at once").is_ok());
        timeout(RETRY.0, issuer.accept()).await.expect_err("one question at a time");
    }
}
