//! Notices new alerts for the buyers who listen to this process.
//!
//! Streams read their alerts themselves, at their own pace; the hub only tells them that there is
//! something to read. It listens on one channel of the database for all of them, which whoever
//! commits alerts rings, in whichever process; and it looks by itself every second, for a
//! notification may get lost. While nobody listens it asks the database nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{model::AlertId, store};
use crate::baskets::BuyerId;

/// The channel that is rung after alerts were committed.
pub const CHANNEL: &str = "basket_alert";

/// How long a lost notification can delay an alert.
const POLL: Duration = Duration::from_secs(1);

/// How long one look may take before it is given up.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long after a failure the database is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a stream may leave unread what it was sent before its place is given to others.
const STALLED: Duration = Duration::from_mins(1);

/// Who listens to this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max_streams: usize,
    max_streams_per_buyer: usize,
    listeners: Mutex<Listeners>,
    /// Rung when there may be something to read.
    news: Notify,
}

#[derive(Debug, Default)]
struct Listeners {
    by_buyer: HashMap<BuyerId, Listener>,
    streams: usize,
    next_id: u64,
}

#[derive(Debug, Default)]
struct Listener {
    newest: watch::Sender<AlertId>,
    places: HashMap<u64, Place>,
}

#[derive(Debug)]
struct Place {
    last_read: Instant,
    dropped: CancellationToken,
}

/// Why a stream cannot be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This buyer has as many open as one may have.
    TooManyOfBuyer,
    /// This process has as many open as it may have.
    TooManyOfAll,
}

/// A stream's place in the hub; leaving it (dropping this) makes room for another.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    buyer: BuyerId,
    id: u64,
    /// The buyer's newest alert, as far as the hub has seen.
    pub newest: watch::Receiver<AlertId>,
    /// Cancelled when the hub gave the place away, because the reader stalled.
    pub dropped: CancellationToken,
}

impl Hub {
    /// A hub for at most so many streams, in all and of one buyer.
    pub fn new(max_streams: usize, max_streams_per_buyer: usize) -> Self {
        Self(Arc::new(Shared {
            max_streams,
            max_streams_per_buyer,
            listeners: Mutex::default(),
            news: Notify::new(),
        }))
    }

    /// Takes a place for one stream of this buyer. From now on no alert of theirs is overlooked.
    pub fn join(&self, buyer: &BuyerId) -> Result<Subscription, Refused> {
        let mut listeners = self.listeners();
        if listeners.streams >= self.0.max_streams {
            return Err(Refused::TooManyOfAll);
        }
        let of_buyer = listeners.by_buyer.get(buyer).map_or(0, |listener| listener.places.len());
        if of_buyer >= self.0.max_streams_per_buyer {
            return Err(Refused::TooManyOfBuyer);
        }
        listeners.streams += 1;
        listeners.next_id += 1;
        let id = listeners.next_id;
        let listener = listeners.by_buyer.entry(buyer.clone()).or_default();
        let dropped = CancellationToken::new();
        listener.places.insert(id, Place { last_read: Instant::now(), dropped: dropped.clone() });
        let newest = listener.newest.subscribe();
        metrics::gauge!("alert_streams_open").increment(1.0);
        drop(listeners);
        // The one who waits for the first stream is woken, or who waits for news looks again.
        self.0.news.notify_one();
        Ok(Subscription { hub: self.clone(), buyer: buyer.clone(), id, newest, dropped })
    }

    /// Watches for alerts until `stop`, through `pool`.
    pub async fn run(self, pool: PgPool, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if self.buyers().is_empty() {
                stop.run_until_cancelled(self.0.news.notified()).await;
                continue;
            }
            tokio::select! {
                () = self.look_while_needed(&pool, &stop) => {}
                () = self.listen(&pool) => {}
            }
        }
    }

    /// Listens for ever; a connection that is lost is opened again.
    async fn listen(&self, pool: &PgPool) {
        loop {
            if let Err(error) = self.listen_once(pool).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "lost the channel of alerts");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // Also at first: whatever was committed before this listened is looked for now.
            self.0.news.notify_one();
            listener.recv().await?;
        }
    }

    /// Looks for new alerts, again and again, as long as somebody listens.
    async fn look_while_needed(&self, pool: &PgPool, stop: &CancellationToken) {
        let mut is_away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.news.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            self.drop_stalled();
            let buyers = self.buyers();
            if buyers.is_empty() {
                return;
            }
            let started = Instant::now();
            match self.look(pool, &buyers).await {
                Ok(()) => is_away = false,
                Err(reason) if is_away => tracing::debug!(reason, "still cannot look for alerts"),
                Err(reason) => {
                    is_away = true;
                    tracing::warn!(reason, "cannot look for alerts; will try again");
                }
            }
            // However many listen and however often it rings, looking takes a quarter of the time at most.
            let rest = (started.elapsed() * 3).min(PAUSE);
            stop.run_until_cancelled(tokio::time::sleep(rest)).await;
        }
    }

    async fn look(&self, pool: &PgPool, buyers: &[BuyerId]) -> Result<(), String> {
        let look = async { store::newest_of(&mut *pool.acquire().await?, buyers).await };
        let newest = tokio::time::timeout(DEADLINE, look)
            .await
            .map_err(|_elapsed| "the database does not answer".to_owned())?
            .map_err(|error: sqlx::Error| error.to_string())?;
        let listeners = self.listeners();
        for (buyer, found) in newest {
            if let Some(listener) = listeners.by_buyer.get(&buyer) {
                listener.newest.send_if_modified(|known| {
                    let is_news = found > *known;
                    *known = found.max(*known);
                    is_news
                });
            }
        }
        Ok(())
    }

    /// Takes the places of readers who stalled. Their streams end when they next read.
    fn drop_stalled(&self) {
        let mut listeners = self.listeners();
        let mut dropped = 0;
        for listener in listeners.by_buyer.values_mut() {
            for (_, place) in listener.places.extract_if(|_, place| place.last_read.elapsed() > STALLED) {
                place.dropped.cancel();
                dropped += 1;
            }
        }
        if dropped > 0 {
            listeners.by_buyer.retain(|_, listener| !listener.places.is_empty());
            listeners.streams -= dropped;
            metrics::gauge!("alert_streams_open").decrement(f64::from(u32::try_from(dropped).unwrap_or(0)));
            tracing::info!(streams = dropped, "gave away the places of readers who stalled");
        }
    }

    fn buyers(&self) -> Vec<BuyerId> {
        self.listeners().by_buyer.keys().cloned().collect()
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        // Nothing panics while it holds the lock, and the map is whole at every moment anyway.
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Notes that the client reads.
    pub fn is_read(&self) {
        let mut listeners = self.hub.listeners();
        let listener = listeners.by_buyer.get_mut(&self.buyer);
        if let Some(place) = listener.and_then(|listener| listener.places.get_mut(&self.id)) {
            place.last_read = Instant::now();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut listeners = self.hub.listeners();
        let Some(listener) = listeners.by_buyer.get_mut(&self.buyer) else { return };
        if listener.places.remove(&self.id).is_none() {
            return;
        }
        if listener.places.is_empty() {
            listeners.by_buyer.remove(&self.buyer);
        }
        listeners.streams -= 1;
        metrics::gauge!("alert_streams_open").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_stalls_loses_the_place_to_others() {
        let hub = Hub::new(2, 2);
        let buyer: BuyerId = "alice".parse().unwrap();
        let (stalled, reads) = (hub.join(&buyer).unwrap(), hub.join(&buyer).unwrap());
        assert_eq!(hub.join(&buyer).unwrap_err(), Refused::TooManyOfAll);
        for place in hub.listeners().by_buyer.get_mut(&buyer).unwrap().places.values_mut() {
            place.last_read = place.last_read.checked_sub(STALLED * 2).unwrap();
        }
        reads.is_read();
        hub.drop_stalled();
        assert!(stalled.dropped.is_cancelled());
        assert!(!reads.dropped.is_cancelled());

        let next = hub.join(&buyer).unwrap();
        drop(stalled);
        assert_eq!(hub.listeners().streams, 2, "a place that was taken away is not given back");
        drop((reads, next));
        assert_eq!(hub.listeners().streams, 0);
        assert!(hub.buyers().is_empty());
    }
}
