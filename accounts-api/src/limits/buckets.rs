//! How often one may try. Each limit is a bucket of tries that fills again one by one (GCRA); all are in memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use service_kit::problem::Problem;

use super::{Client, Trusted};
use crate::settings::SignInSettings;

/// The most buckets that are kept: some 5 MB. Full ones need not be kept; beyond that some are forgotten.
const MOST: usize = 100_000;

/// After how long one more registration may have a mail sent to the same inbox.
const MAIL_AGAIN: Duration = Duration::from_mins(10);

/// The limits of one process.
pub struct Limits {
    settings: SignInSettings,
    /// The proxies whose word on their clients counts.
    pub trusted: Trusted,
    /// When each bucket will be full again. A key is a hash: whose bucket it is, is not kept.
    full_at: Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
}

/// One bucket, how many tries it holds, and after how long one is given back.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    key: u64,
    holds: u32,
    interval: Duration,
}

/// A try that was let through; what it takes is given back if the password was right, or nothing came of it.
#[derive(Debug)]
pub(crate) struct Try(Vec<Bucket>);

impl Limits {
    /// Nobody has tried yet.
    pub fn new(settings: SignInSettings) -> Self {
        let trusted = Trusted::new(settings.trusted_proxies.clone());
        Self { settings, trusted, full_at: Mutex::default(), hasher: RandomState::new() }
    }

    /// Lets a try through; 429 if the client, the address, or the client with that address has failed too often.
    pub(crate) fn sign_in(&self, client: Client, address: &str) -> Result<Try, Problem> {
        let settings = &self.settings;
        self.try_now(vec![
            self.bucket(&("client and address", client, address), settings.tries_of_client_with_address),
            self.bucket(&("client", client), settings.tries_of_client),
            self.bucket(&("address", address), settings.tries_with_address),
        ])
    }

    /// Gives back what a try took.
    pub(crate) fn give_back(&self, tried: &Try) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for bucket in &tried.0 {
            full_at.entry(bucket.key).and_modify(|at| *at = at.checked_sub(bucket.interval).unwrap_or(*at));
        }
    }

    /// Lets a registration through; 429 if the client has asked for too many, or if too many were asked for whose mail
    /// goes to this inbox.
    pub(crate) fn registration(&self, client: Client, inbox: &str) -> Result<Try, Problem> {
        let of_inbox = self.bucket(&("inbox", inbox), self.settings.registrations_of_inbox);
        self.try_now(vec![
            self.bucket(&("registration", client), self.settings.registrations_of_client),
            Bucket { interval: MAIL_AGAIN, ..of_inbox },
        ])
    }

    fn bucket(&self, whose: &impl std::hash::Hash, holds: u32) -> Bucket {
        let interval = Duration::from_secs(self.settings.try_again_s.into());
        Bucket { key: self.hasher.hash_one(whose), holds, interval }
    }

    fn try_now(&self, buckets: Vec<Bucket>) -> Result<Try, Problem> {
        self.take(&buckets, Instant::now())?;
        Ok(Try(buckets))
    }

    /// Takes one try from each bucket, or none of any.
    fn take(&self, buckets: &[Bucket], now: Instant) -> Result<(), Problem> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = |full_at: &HashMap<u64, Instant>, bucket: &Bucket| {
            full_at.get(&bucket.key).copied().unwrap_or(now).max(now) + bucket.interval
        };
        let wait = |bucket: &Bucket| {
            (after(&full_at, bucket) - now).saturating_sub(bucket.interval.saturating_mul(bucket.holds))
        };
        let wait = buckets.iter().map(wait).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(too_many(wait));
        }
        make_room(&mut full_at, buckets.len(), now);
        for bucket in buckets {
            let at = after(&full_at, bucket);
            full_at.insert(bucket.key, at);
        }
        Ok(())
    }
}

fn make_room(full_at: &mut HashMap<u64, Instant>, more: usize, now: Instant) {
    if full_at.len() + more <= MOST {
        return;
    }
    full_at.retain(|_, at| *at > now);
    // Still too many: half of them, whichever. Who fills the memory with addresses gets tries for it, not more memory.
    if full_at.len() + more > MOST {
        let mut count = 0_usize;
        full_at.retain(|_, _| {
            count += 1;
            count.is_multiple_of(2)
        });
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "too many tries")
        .detail(format!("try again in {seconds} seconds"))
        .header(RETRY_AFTER, &seconds.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(n: u32) -> Client {
        IpAddr::from(n.to_be_bytes()).into()
    }

    #[test]
    fn who_guesses_slows_down_himself_and_not_the_owner() {
        let limits = Limits::new(SignInSettings::default());
        let guessed = (0..1_000).filter(|_| limits.sign_in(client(1), "alice@example.org").is_ok()).count();
        assert_eq!(guessed, 10);
        let refused = limits.sign_in(client(1), "alice@example.org").err().unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(limits.sign_in(client(2), "alice@example.org").is_ok());
        assert!(limits.sign_in(client(1), "bob@example.org").is_ok());
        // One client with many addresses, and many clients with one.
        let sprayed = (0..1_000).filter(|n| limits.sign_in(client(3), &n.to_string()).is_ok()).count();
        assert_eq!(sprayed, 60);
        let spread = (100..1_000).filter(|n| limits.sign_in(client(*n), "carol@example.org").is_ok()).count();
        assert_eq!(spread, 60);
    }

    #[test]
    fn a_try_comes_back_with_time_or_with_the_right_password() {
        let limits =
            Limits::new(SignInSettings { tries_of_client_with_address: 1, ..SignInSettings::default() });
        for _ in 0..100 {
            let tried = limits.sign_in(client(1), "alice@example.org").unwrap();
            limits.give_back(&tried);
        }
        let bucket = limits.bucket(&"x", 2);
        let now = Instant::now();
        assert!(limits.take(&[bucket], now).is_ok() && limits.take(&[bucket], now).is_ok());
        assert!(limits.take(&[bucket], now + Duration::from_secs(5)).is_err());
        assert!(limits.take(&[bucket], now + Duration::from_secs(6)).is_ok());
        assert!(limits.take(&[bucket], now + Duration::from_secs(6)).is_err());
    }

    #[test]
    fn nobody_has_an_inbox_flooded_with_mail() {
        let limits = Limits::new(SignInSettings::default());
        // However many clients ask.
        let taken = (0..100).filter(|n| limits.registration(client(*n), "alice@example.org").is_ok());
        assert_eq!(taken.count(), 5);
        assert!(limits.registration(client(1), "bob@example.org").is_ok());
        // What came to nothing was none.
        for _ in 0..100 {
            let tried = limits.registration(client(1), "carol@example.org").unwrap();
            limits.give_back(&tried);
        }
    }

    #[test]
    fn however_many_try_the_memory_has_a_limit() {
        let limits = Limits::new(SignInSettings::default());
        for n in 0..u32::try_from(MOST).unwrap() {
            drop(limits.sign_in(client(n), &n.to_string()));
        }
        assert!(limits.full_at.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let of = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:127.0.0.1"), of("127.0.0.1"));
        assert_ne!(of("127.0.0.1"), of("127.0.0.2"));
    }
}
