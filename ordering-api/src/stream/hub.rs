//! The open streams of this process, by buyer, and the poller that wakes them.
//!
//! A poll is one statement for any number of streams, and only a stream whose buyer's orders have changed reads more.
//! The process that commits a change sends a notification; the poller also polls every second, because a notification
//! can get lost. Without open streams it sends no queries.

use std::time::Duration;

use service_kit::sse::{OpenStreams, StreamSettings};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::CHANNEL;
use crate::orders::BuyerId;

/// How long a lost notification can delay a change.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest rest between two polls, with any number of notifications.
const REST: Duration = Duration::from_millis(20);
/// How long one poll may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// The open streams of this process, each with the number of its buyer's last change, as far as the poller knows.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(pub OpenStreams<i64>);

impl Hub {
    /// A hub with these limits.
    pub fn new(limits: StreamSettings) -> Self {
        Self(OpenStreams::new("order_streams_open", limits.max, limits.max_per_buyer))
    }

    /// Polls until `stop`, through `pool`.
    pub async fn run(self, pool: PgPool, stop: CancellationToken) {
        self.0.poll_while_open(&pool, CHANNEL, &stop, || self.poll_while_needed(&pool)).await;
    }

    async fn poll_while_needed(&self, pool: &PgPool) {
        loop {
            self.0.close_stalled();
            let buyers: Vec<BuyerId> = self.0.of_each(|_| ()).into_iter().map(|(buyer, ())| buyer).collect();
            if buyers.is_empty() {
                return;
            }
            let asked =
                sqlx::query_as("select buyer_id, last_change from order_buyer where buyer_id = any($1)")
                    .bind(&buyers)
                    .fetch_all(pool);
            match tokio::time::timeout(DEADLINE, asked).await {
                Ok(Ok(found)) => self.publish(found),
                Ok(Err(error)) => tracing::warn!(%error, "cannot poll for changes of orders; will try again"),
                Err(_elapsed) => tracing::warn!("the database does not answer a poll for changes of orders"),
            }
            tokio::time::sleep(REST).await;
            drop(tokio::time::timeout(POLL_INTERVAL, self.0.woken()).await);
        }
    }

    fn publish(&self, found: Vec<(BuyerId, i64)>) {
        for (buyer, last) in found {
            self.0.tell(&buyer, |known| std::mem::replace(known, last) != last);
        }
    }
}
