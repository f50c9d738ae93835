//! Hashes of passwords (Argon2id), a few at a time.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use service_kit::problem::Problem;
use tokio::sync::Semaphore;

use super::Password;
use crate::settings::PasswordSettings;

/// The bytes of a salt (RFC 9106, section 3.1).
const SALT: usize = 16;

/// Makes and checks hashes. Each takes its memory and a processor for a moment, so few are made at once, and few wait.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    argon: Argon2<'static>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// The hash of a password that nobody has.
    nobodys: String,
}

/// What comes of checking a password.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one, or nobody's.
    Wrong,
    /// It is the one of the hash.
    Right {
        /// The hash to keep instead, where the old one has other parameters than the present ones.
        new: Option<String>,
    },
}

impl Hasher {
    /// Makes one hash: parameters that cannot be are an error.
    pub fn new(settings: &PasswordSettings) -> anyhow::Result<Self> {
        settings.check()?;
        let params = Params::new(settings.memory_kib, settings.passes, 1, None);
        let params = params.map_err(|error| anyhow!("settings passwords.memory_kib and passes: {error}"))?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobodys = hash_of(&argon, &random()?).context("settings passwords: cannot hash")?;
        let (turns, places) = (settings.concurrency, settings.concurrency + settings.waiting);
        let (turns, places) = (Arc::new(Semaphore::new(turns)), Arc::new(Semaphore::new(places)));
        Ok(Self(Arc::new(Inner { argon, turns, places, nobodys })))
    }

    /// The hash of a password, with parameters and salt.
    pub async fn hash(&self, password: Password) -> Result<String, Problem> {
        let hashed = self.work(move |inner| hash_of(&inner.argon, password.bytes())).await?;
        hashed.map_err(|error| Problem::internal(&format!("{error:#}")))
    }

    /// Whether the password is the one of the hash. Without a hash it is not, and that takes as long as with one of the
    /// present parameters.
    pub async fn verify(&self, password: Password, hash: Option<String>) -> Result<Verdict, Problem> {
        self.work(move |inner| {
            let (text, is_somebodys) = hash.as_ref().map_or((&inner.nobodys, false), |hash| (hash, true));
            let Ok(old) = PasswordHash::new(text) else { return Verdict::Wrong };
            if inner.argon.verify_password(password.bytes(), &old).is_err() || !is_somebodys {
                return Verdict::Wrong;
            }
            let is_present =
                Params::try_from(&old).is_ok_and(|old| costs(&old) == costs(inner.argon.params()));
            let new = (!is_present).then(|| hash_of(&inner.argon, password.bytes()).ok());
            Verdict::Right { new: new.flatten() }
        })
        .await
    }

    /// Does it on a thread of its own when its turn comes; 503 if too many wait. It holds its turn to the end, also if
    /// whoever asked has gone.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
            return Err(Problem::unavailable("too many passwords are being checked, try again", 1));
        };
        let turn = Arc::clone(&self.0.turns).acquire_owned().await;
        let turn = turn.map_err(|error| Problem::internal(&error))?;
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work(&inner)
        });
        done.await.map_err(|error| Problem::internal(&error))
    }
}

/// What a hash costs: its memory, passes and parallelism.
fn costs(params: &Params) -> [u32; 3] {
    [params.m_cost(), params.t_cost(), params.p_cost()]
}

fn hash_of(argon: &Argon2<'_>, password: &[u8]) -> anyhow::Result<String> {
    let salt = SaltString::encode_b64(&random()?).map_err(|error| anyhow!("no salt: {error}"))?;
    let hash = argon.hash_password(password, &salt).map_err(|error| anyhow!("cannot hash: {error}"))?;
    Ok(hash.to_string())
}

fn random() -> anyhow::Result<[u8; SALT]> {
    let mut bytes = [0; SALT];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|error| anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_a_salted_argon2id_hash_with_its_parameters() {
        let hasher = Hasher::new(&PasswordSettings::default()).unwrap();
        let password = || Password::from("correct horse".to_owned());
        let (one, other) = (hasher.hash(password()).await.unwrap(), hasher.hash(password()).await.unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let verify = async |password, hash| hasher.verify(password, hash).await.unwrap();
        assert_eq!(verify(password(), Some(one.clone())).await, Verdict::Right { new: None });
        assert_eq!(verify(Password::from("Correct horse".to_owned()), Some(one)).await, Verdict::Wrong);
        assert_eq!(verify(password(), None).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn few_hashes_are_made_at_once_and_few_wait() {
        let settings = PasswordSettings { concurrency: 1, waiting: 2, ..PasswordSettings::default() };
        let hasher = Hasher::new(&settings).unwrap();
        let tries = (0..20).map(|_| hasher.verify(Password::from("x".to_owned()), None));
        let outcomes = futures_util::future::join_all(tries).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
        assert!(
            outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|error| error.status() == 503)
        );
    }
}
