//! Telling others, after a commit, that there is something to look at.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a ring waits for others to join it: the most notifications in a second are 200.
const DEBOUNCE: Duration = Duration::from_millis(5);

/// How long one `NOTIFY` may take; a lost one costs the listener a poll interval, nothing else.
const DEADLINE: Duration = Duration::from_secs(2);

/// Wakes the listeners of a channel after a commit, without a `NOTIFY` in the transaction itself
/// (which takes a lock on the whole database at commit, so that commits queue up behind each other).
///
/// Rings that come close together become one notification. A ring may get lost, with a crash or a
/// connection: listeners must also poll.
#[derive(Debug, Clone)]
pub struct WakeUp(Arc<Notify>);

impl WakeUp {
    /// Starts the background task that wakes relays. It ends with `stop`.
    pub fn start(pool: PgPool, stop: CancellationToken) -> Self {
        Self::start_on(pool, super::CHANNEL, stop)
    }

    /// The same for another channel.
    pub fn start_on(pool: PgPool, channel: &'static str, stop: CancellationToken) -> Self {
        let rung = Arc::new(Notify::new());
        tokio::spawn(stop.run_until_cancelled_owned(notify_when_rung(pool, channel, Arc::clone(&rung))));
        Self(rung)
    }

    /// Asks for a notification and returns at once. To be called after the commit.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

async fn notify_when_rung(pool: PgPool, channel: &'static str, rung: Arc<Notify>) {
    loop {
        rung.notified().await;
        // A notification is a transaction like any other, and would wait for the disk; there is nothing in it to lose.
        let notify = sqlx::query("select set_config('synchronous_commit', 'off', true), pg_notify($1, '')");
        let notify = notify.bind(channel).execute(&pool);
        match tokio::time::timeout(DEADLINE, notify).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::debug!(channel, error = &error as &dyn std::error::Error, "a wake-up was lost");
            }
            Err(_) => tracing::debug!(channel, "a wake-up took too long"),
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}
