//! A log, a relay and a probe.

mod log;
mod relay;

use std::time::Duration;

pub(crate) use log::{Log, database_url};
pub(crate) use relay::{Relay, Setup};
use test_kit::{Message, Recorder, Vhost};

/// How long anything may take on a busy machine before a test gives up on it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Long enough for a wrong message to show up.
pub(crate) const MOMENT: Duration = Duration::from_millis(700);

/// A log, the broker that its events go to, and a queue that sees all of them.
pub(crate) struct Stage {
    pub(crate) log: Log,
    pub(crate) vhost: Vhost,
    pub(crate) probe: Recorder,
}

impl Stage {
    pub(crate) async fn set(pool: sqlx::PgPool) -> Self {
        let vhost = test_kit::vhost().await;
        let probe = vhost.recorder().await;
        Self { log: Log::create(pool).await, vhost, probe }
    }

    /// A relay for this stage.
    pub(crate) fn relay(&self) -> relay::Setup {
        relay::Setup::new(&self.log.url, &self.vhost.url)
    }

    /// The next `count` messages, as (key, version).
    pub(crate) async fn seen(&mut self, count: usize) -> Vec<(String, i64)> {
        let mut seen = Vec::new();
        for _ in 0..count {
            seen.push(key_version(&self.probe.next(LONG).await));
        }
        seen
    }
}

/// What a message is about, and the version that it announces.
pub(crate) fn key_version(message: &Message) -> (String, i64) {
    let event = message.json();
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    (text("subject"), text("sequence").parse().unwrap())
}

/// Fails unless the *first* publication of each version comes in the order of the versions, per key,
/// without a gap; returns how many messages were repeats.
pub(crate) fn assert_in_order(messages: &[(String, i64)]) -> usize {
    let mut newest = std::collections::HashMap::new();
    let mut repeats = 0;
    for (key, version) in messages {
        let known = newest.entry(key.clone()).or_insert(0);
        if *version <= *known {
            repeats += 1;
        } else {
            assert_eq!(*version, *known + 1, "key {key} skipped a version");
            *known = *version;
        }
    }
    repeats
}

/// The user of the test broker.
pub(crate) fn user() -> String {
    let url = std::env::var("AMQP_URL").unwrap();
    url.split("//").nth(1).unwrap().split(':').next().unwrap().to_owned()
}
