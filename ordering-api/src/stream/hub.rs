//! The open streams of this process, by buyer, and the poller that wakes them.
//!
//! A poll is one statement for any number of streams, and only a stream whose buyer's orders have changed reads more.
//! The process that commits a change sends a notification; the poller also polls every second, because a notification
//! can get lost. Without open streams it sends no queries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service_kit::sse::TooManyStreams;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::CHANNEL;
use crate::orders::BuyerId;
use crate::settings::StreamSettings;

/// How long a lost notification can delay a change.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest rest between two polls, with any number of notifications.
const REST: Duration = Duration::from_millis(20);
/// How long one poll may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long after a failure the database is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The open streams of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: StreamSettings,
    streams: Mutex<Streams>,
    wake_up: Notify,
}

#[derive(Debug, Default)]
struct Streams {
    by_buyer: HashMap<BuyerId, OfBuyer>,
    count: usize,
}

#[derive(Debug, Default)]
struct OfBuyer {
    /// The number of the buyer's last change, as far as the poller knows.
    last_change: watch::Sender<i64>,
    open: usize,
}

/// One stream's part of the hub; dropping it makes room for another stream.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    buyer: BuyerId,
    /// The number of the buyer's last change, as far as the poller knows.
    pub last_change: watch::Receiver<i64>,
}

impl Hub {
    /// A hub with these limits.
    pub fn new(limits: StreamSettings) -> Self {
        Self(Arc::new(Shared { limits, streams: Mutex::default(), wake_up: Notify::new() }))
    }

    /// Subscribes one stream to the changes of this buyer's orders. From now on it misses none.
    pub fn subscribe(&self, buyer: &BuyerId) -> Result<Subscription, TooManyStreams> {
        let mut streams = self.streams();
        if streams.count >= self.0.limits.max {
            return Err(TooManyStreams::OfProcess);
        }
        let of_buyer = streams.by_buyer.entry(buyer.clone()).or_default();
        if of_buyer.open >= self.0.limits.max_per_buyer {
            return Err(TooManyStreams::OfBuyer);
        }
        of_buyer.open += 1;
        let last_change = of_buyer.last_change.subscribe();
        streams.count += 1;
        drop(streams);
        metrics::gauge!("order_streams_open").increment(1.0);
        self.0.wake_up.notify_one();
        Ok(Subscription { hub: self.clone(), buyer: buyer.clone(), last_change })
    }

    /// Polls until `stop`, through `pool`.
    pub async fn run(self, pool: PgPool, stop: CancellationToken) {
        let polling = async {
            loop {
                if self.streams().by_buyer.is_empty() {
                    self.0.wake_up.notified().await;
                    continue;
                }
                tokio::select! {
                    () = self.poll_while_needed(&pool) => {}
                    () = self.listen(&pool) => {}
                }
            }
        };
        stop.run_until_cancelled(polling).await;
    }

    async fn poll_while_needed(&self, pool: &PgPool) {
        loop {
            let buyers: Vec<BuyerId> = self.streams().by_buyer.keys().cloned().collect();
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
            drop(tokio::time::timeout(POLL_INTERVAL, self.0.wake_up.notified()).await);
        }
    }

    fn publish(&self, found: Vec<(BuyerId, i64)>) {
        let streams = self.streams();
        for (buyer, last) in found {
            if let Some(of_buyer) = streams.by_buyer.get(&buyer) {
                of_buyer.last_change.send_if_modified(|known| std::mem::replace(known, last) != last);
            }
        }
    }

    /// Listens for notifications without end; connects again when the connection is lost.
    async fn listen(&self, pool: &PgPool) {
        loop {
            if let Err(error) = self.listen_once(pool).await {
                tracing::debug!(%error, "lost the channel of changes");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // Before the first notification too: something may have been committed before this listened.
            self.0.wake_up.notify_one();
            listener.recv().await?;
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // The map is consistent at every moment, also after a panic.
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut streams = self.hub.streams();
        streams.count -= 1;
        if let Some(of_buyer) = streams.by_buyer.get_mut(&self.buyer) {
            of_buyer.open -= 1;
            if of_buyer.open == 0 {
                streams.by_buyer.remove(&self.buyer);
            }
        }
        metrics::gauge!("order_streams_open").decrement(1.0);
    }
}
