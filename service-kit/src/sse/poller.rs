//! What open streams have in common behind the scenes: their limits, their pool, and the poller that learns for all of
//! them what is new.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{PgPool, postgres::PgListener};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::OpenStreams;
use crate::settings::check_ranges;

/// How long after a failure the database is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The limits of the streams of one process.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Streams open at once. Default 5,000.
    pub max: usize,
    /// Streams open at once of one buyer. Default 16.
    pub max_per_buyer: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { max: 5_000, max_per_buyer: 16 }
    }
}

impl StreamSettings {
    /// Refuses numbers with which no stream would be served; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        check_ranges(&[
            ("streams.max", number(self.max), 1, 1_000_000),
            ("streams.max_per_buyer", number(self.max_per_buyer), 1, 1_000_000),
        ])
    }
}

/// The pool of the streams: a pool of their own, so that they do not delay requests.
#[derive(Debug, Clone)]
pub struct StreamPool(pub PgPool);

impl<T> OpenStreams<T> {
    /// Runs `polling` while streams are open, until `stop`. `polling` returns when no stream is open. Between two polls it
    /// waits for [`woken`](Self::woken), which a notification on `channel` fires; as one can get lost, not for long.
    /// Without open streams no query is sent.
    pub async fn poll_while_open<F: Future<Output = ()>>(
        &self,
        pool: &PgPool,
        channel: &str,
        stop: &CancellationToken,
        polling: impl Fn() -> F,
    ) {
        let attending = async {
            loop {
                if self.is_empty() {
                    self.woken().await;
                    continue;
                }
                tokio::select! {
                    () = polling() => {}
                    // The future that connects is large.
                    () = Box::pin(self.listen(pool, channel)) => {}
                }
            }
        };
        stop.run_until_cancelled(attending).await;
    }

    /// Listens for notifications without end; connects again when the connection is lost.
    async fn listen(&self, pool: &PgPool, channel: &str) {
        loop {
            if let Err(error) = self.listen_once(pool, channel).await {
                tracing::debug!(%error, channel, "lost the channel of notifications");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool, channel: &str) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        loop {
            // Before the first notification too: something may have been committed before this listened.
            self.wake();
            listener.recv().await?;
        }
    }
}
