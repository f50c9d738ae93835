//! Notifications after a commit.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The channel on which [`Notifier`] notifies relays of new events.
pub const CHANNEL: &str = "integration_event_log";

/// `NOTIFY` is debounced to one per 5 ms.
const DEBOUNCE: Duration = Duration::from_millis(5);

/// How long one `NOTIFY` may take. A lost one costs the listener one poll interval.
const DEADLINE: Duration = Duration::from_secs(2);

/// Notifies the listeners of a channel after a commit, outside of the committed transaction.
///
/// A `NOTIFY` inside the transaction would take a lock on the whole database at commit, so that commits queue up
/// behind each other. Calls that come close together become one notification. A notification may be lost in a
/// crash or with a connection, so listeners must also poll.
#[derive(Debug, Clone)]
pub struct Notifier(Arc<Notify>);

impl Notifier {
    /// Starts the background task that notifies relays on [`CHANNEL`]. It ends with `stop`.
    pub fn start(pool: PgPool, stop: CancellationToken) -> Self {
        Self::start_on(pool, CHANNEL, stop)
    }

    /// The same for another channel and other listeners, such as streams of a service.
    pub fn start_on(pool: PgPool, channel: &'static str, stop: CancellationToken) -> Self {
        let requested = Arc::new(Notify::new());
        tokio::spawn(stop.run_until_cancelled_owned(run(pool, channel, Arc::clone(&requested))));
        Self(requested)
    }

    /// Requests a notification and returns at once. To be called after the commit.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

async fn run(pool: PgPool, channel: &'static str, requested: Arc<Notify>) {
    loop {
        requested.notified().await;
        // A notification is a transaction, and would wait for the disk. It has nothing to lose there.
        let notify = sqlx::query("select set_config('synchronous_commit', 'off', true), pg_notify($1, '')");
        let notify = notify.bind(channel).execute(&pool);
        match tokio::time::timeout(DEADLINE, notify).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::debug!(channel, error = &error as &dyn std::error::Error, "a notification was lost");
            }
            Err(_) => tracing::debug!(channel, "a notification took too long"),
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}
