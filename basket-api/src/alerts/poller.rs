//! Polls for new alerts on behalf of all open streams of this process.
//!
//! The process that commits alerts sends a notification on a channel of the database, and this poller listens
//! on it. It also polls every second, because a notification can get lost. A poll is one statement for any
//! number of streams. Without open streams the poller sends no queries.

use std::{collections::HashMap, sync::Arc, time::Duration};

use service_kit::retry::retried;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    hub::{Hub, Latest},
    model::Alert,
    store::{self, Known},
};
use crate::baskets::BuyerId;

/// The channel that is notified after alerts were committed: `state.rs` has the subscriber do so after each commit.
pub const CHANNEL: &str = "basket_alert";

/// How long a lost notification can delay an alert.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long one poll may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// The most alerts of one buyer in a poll; a stream that is further behind reads pages of its own.
const BATCH_SIZE: i64 = 16;

/// The longest rest after a poll.
const LONGEST_REST: Duration = Duration::from_secs(1);

impl Hub {
    /// Polls for alerts until `stop`, through `pool`.
    pub async fn run(self, pool: PgPool, stop: CancellationToken) {
        self.0.streams.poll_while_open(&pool, CHANNEL, &stop, || self.poll_while_needed(&pool)).await;
    }

    /// Polls again and again while streams are open.
    async fn poll_while_needed(&self, pool: &PgPool) {
        let mut is_unavailable = false;
        loop {
            self.0.streams.close_stalled();
            let number = self.begin_poll();
            let known: Vec<Known> = self.0.streams.of_each(|latest| latest.newest);
            if known.is_empty() {
                return;
            }
            let started = Instant::now();
            match find_new(pool, &known).await {
                Ok(found) => {
                    self.publish(number, known, found);
                    is_unavailable = false;
                }
                Err(reason) if is_unavailable => tracing::debug!(reason, "still cannot poll for alerts"),
                Err(reason) => {
                    is_unavailable = true;
                    tracing::warn!(reason, "cannot poll for alerts; will try again");
                }
            }
            // Polling takes a quarter of the time at most, with any number of streams and notifications.
            tokio::time::sleep((started.elapsed() * 3).min(LONGEST_REST)).await;
            drop(tokio::time::timeout(POLL_INTERVAL, self.0.streams.woken()).await);
        }
    }

    /// Passes what the poll with this number has found on to the streams.
    fn publish(&self, number: u64, known: Vec<Known>, found: Vec<(BuyerId, Alert)>) {
        let mut by_buyer: HashMap<BuyerId, Vec<Alert>> = HashMap::new();
        for (buyer, alert) in found {
            by_buyer.entry(buyer).or_default().push(alert);
        }
        for (buyer, known) in known {
            let alerts = by_buyer.remove(&buyer).unwrap_or_default();
            if i64::try_from(alerts.len()).is_ok_and(|found| found >= BATCH_SIZE) {
                self.0.streams.wake();
            }
            // During the poll the buyer's last stream may have ended and another one begun, for which nothing
            // is known yet.
            self.0.streams.tell(&buyer, |latest| latest.newest == known && latest.goes_on_with(alerts));
        }
        self.0.polled.send_replace(number);
    }
}

impl Latest {
    /// Takes what a poll has found after `newest`. Returns whether that is news.
    fn goes_on_with(&mut self, alerts: Vec<Alert>) -> bool {
        let newest = alerts.last().map(|alert| alert.id);
        match (self.newest, newest) {
            (Some(_), None) => return false,
            // The first poll only learns where the streams begin.
            (None, newest) => {
                let newest = newest.unwrap_or_default();
                *self = Self { newest: Some(newest), since: newest, alerts: Arc::default() };
            }
            (Some(since), newest @ Some(_)) => *self = Self { newest, since, alerts: alerts.into() },
        }
        true
    }
}

async fn find_new(pool: &PgPool, known: &[Known]) -> Result<Vec<(BuyerId, Alert)>, String> {
    let find = retried(|| async { store::new_alerts(&mut *pool.acquire().await?, known, BATCH_SIZE).await });
    match tokio::time::timeout(DEADLINE, find).await {
        Ok(found) => found.map_err(|error: sqlx::Error| error.to_string()),
        Err(_elapsed) => Err("the database does not answer".to_owned()),
    }
}
