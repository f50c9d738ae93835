//! Who listens to this process: the places of streams, and what each is told.
//!
//! `lookout` finds the news and gives them to the streams through here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::model::{Alert, AlertId};
use crate::baskets::BuyerId;

/// How long a stream may leave unread what it was sent before its place is given to others.
const STALLED: Duration = Duration::from_mins(1);

/// Who listens to this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    max_streams: usize,
    max_streams_per_buyer: usize,
    listeners: Mutex<Listeners>,
    /// Rung when there may be something to see.
    pub(super) rung: Notify,
    /// The number of the last look that succeeded.
    pub(super) looked: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) by_buyer: HashMap<BuyerId, Listener>,
    streams: usize,
    next_id: u64,
    /// The number of the last look that was begun.
    pub(super) looks: u64,
}

#[derive(Debug, Default)]
pub(super) struct Listener {
    pub(super) news: watch::Sender<News>,
    places: HashMap<u64, Place>,
}

/// What the hub saw of a buyer's alerts.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// The newest alert; `None` before the first look, and 0 where there are no alerts.
    pub newest: Option<AlertId>,
    /// After this alert come `alerts`, and none are missing up to `newest`.
    pub since: AlertId,
    /// What the last look that brought something brought, oldest first.
    pub alerts: Arc<[Alert]>,
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
    /// The first look that is sure to have seen what was there before this subscription.
    look: u64,
    looked: watch::Receiver<u64>,
    /// The buyer's alerts, as far as the hub has seen.
    pub news: watch::Receiver<News>,
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
            rung: Notify::new(),
            looked: watch::Sender::new(0),
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
        let (id, look) = (listeners.next_id, listeners.looks + 1);
        let listener = listeners.by_buyer.entry(buyer.clone()).or_default();
        let dropped = CancellationToken::new();
        listener.places.insert(id, Place { last_read: Instant::now(), dropped: dropped.clone() });
        let news = listener.news.subscribe();
        metrics::gauge!("alert_streams_open").increment(1.0);
        drop(listeners);
        self.0.rung.notify_one();
        let looked = self.0.looked.subscribe();
        Ok(Subscription { hub: self.clone(), buyer: buyer.clone(), id, look, looked, news, dropped })
    }

    /// Takes the places of readers who stalled. Their streams end when they next read.
    pub(super) fn drop_stalled(&self) {
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

    pub(super) fn listeners(&self) -> MutexGuard<'_, Listeners> {
        // Nothing panics while it holds the lock, and the map is whole at every moment anyway.
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for the first look after this subscription, and returns the newest alert that there was;
    /// the default id, below every alert's, where there was none. `None` when the hub is gone.
    pub async fn newest(&mut self) -> Option<AlertId> {
        let look = self.look;
        self.looked.wait_for(|looked| *looked >= look).await.ok()?;
        Some(self.news.borrow().newest.unwrap_or_default())
    }

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
        assert!(hub.listeners().by_buyer.is_empty());
    }
}
