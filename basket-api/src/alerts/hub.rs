//! The open streams of this process, by buyer.
//!
//! [`poller`](super::poller) has `Hub::run`, which finds new alerts and passes them to the streams through the hub.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service_kit::sse::TooManyStreams;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::model::{Alert, AlertId};
use crate::baskets::BuyerId;

/// A stream whose client reads nothing for this long is closed.
const STALLED: Duration = Duration::from_mins(1);

/// The open streams of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    max_streams: usize,
    max_streams_per_buyer: usize,
    streams: Mutex<Streams>,
    /// Notified when there may be new alerts.
    pub(super) wake_up: Notify,
    /// The number of the last poll that succeeded.
    pub(super) polled: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) by_buyer: HashMap<BuyerId, BuyerStreams>,
    count: usize,
    next_id: u64,
    /// The number of the last poll that was begun.
    pub(super) polls: u64,
}

#[derive(Debug, Default)]
pub(super) struct BuyerStreams {
    pub(super) latest: watch::Sender<Latest>,
    open: HashMap<u64, OpenStream>,
}

/// What the poller knows of a buyer's alerts.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    /// The newest alert; `None` before the first poll, and 0 if there are no alerts.
    pub newest: Option<AlertId>,
    /// `alerts` are all alerts after this one, up to `newest`.
    pub since: AlertId,
    /// What the last poll with new alerts found, oldest first.
    pub alerts: Arc<[Alert]>,
}

#[derive(Debug)]
struct OpenStream {
    last_read: Instant,
    closed: CancellationToken,
}

/// One stream's part of the hub; dropping it makes room for another stream.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    buyer: BuyerId,
    id: u64,
    /// The first poll that finds everything that was committed before this subscription.
    first_poll: u64,
    polled: watch::Receiver<u64>,
    /// What the poller knows of the buyer's alerts.
    pub latest: watch::Receiver<Latest>,
    /// Cancelled when the hub closes the stream because its client has stalled.
    pub closed: CancellationToken,
}

impl Hub {
    /// A hub with these limits.
    pub fn new(max_streams: usize, max_streams_per_buyer: usize) -> Self {
        Self(Arc::new(Shared {
            max_streams,
            max_streams_per_buyer,
            streams: Mutex::default(),
            wake_up: Notify::new(),
            polled: watch::Sender::new(0),
        }))
    }

    /// Subscribes one stream to the alerts of this buyer. From now on it misses none.
    pub fn subscribe(&self, buyer: &BuyerId) -> Result<Subscription, TooManyStreams> {
        let mut streams = self.streams();
        if streams.count >= self.0.max_streams {
            return Err(TooManyStreams::OfProcess);
        }
        let of_buyer = streams.by_buyer.get(buyer).map_or(0, |buyer| buyer.open.len());
        if of_buyer >= self.0.max_streams_per_buyer {
            return Err(TooManyStreams::OfBuyer);
        }
        streams.count += 1;
        streams.next_id += 1;
        let (id, first_poll) = (streams.next_id, streams.polls + 1);
        let of_buyer = streams.by_buyer.entry(buyer.clone()).or_default();
        let closed = CancellationToken::new();
        of_buyer.open.insert(id, OpenStream { last_read: Instant::now(), closed: closed.clone() });
        let latest = of_buyer.latest.subscribe();
        metrics::gauge!("alert_streams_open").increment(1.0);
        drop(streams);
        self.0.wake_up.notify_one();
        let polled = self.0.polled.subscribe();
        Ok(Subscription { hub: self.clone(), buyer: buyer.clone(), id, first_poll, polled, latest, closed })
    }

    /// Closes the streams of clients that have stalled. A stream ends when its client next reads.
    pub(super) fn close_stalled(&self) {
        let mut streams = self.streams();
        let mut closed = 0;
        for buyer in streams.by_buyer.values_mut() {
            for (_, stream) in buyer.open.extract_if(|_, stream| stream.last_read.elapsed() > STALLED) {
                stream.closed.cancel();
                closed += 1;
            }
        }
        if closed > 0 {
            streams.by_buyer.retain(|_, buyer| !buyer.open.is_empty());
            streams.count -= closed;
            metrics::gauge!("alert_streams_open").decrement(f64::from(u32::try_from(closed).unwrap_or(0)));
            tracing::info!(streams = closed, "closed streams whose clients have stalled");
        }
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, Streams> {
        // The map is consistent at every moment, also after a panic.
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for the first poll after this subscription, and returns the newest alert at that time;
    /// without alerts the default id, which is below all others. `None` when the hub is gone.
    pub async fn newest(&mut self) -> Option<AlertId> {
        let first_poll = self.first_poll;
        self.polled.wait_for(|polled| *polled >= first_poll).await.ok()?;
        Some(self.latest.borrow().newest.unwrap_or_default())
    }

    /// Records that the client reads.
    pub fn is_read(&self) {
        let mut streams = self.hub.streams();
        let of_buyer = streams.by_buyer.get_mut(&self.buyer);
        if let Some(stream) = of_buyer.and_then(|buyer| buyer.open.get_mut(&self.id)) {
            stream.last_read = Instant::now();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut streams = self.hub.streams();
        let Some(of_buyer) = streams.by_buyer.get_mut(&self.buyer) else { return };
        if of_buyer.open.remove(&self.id).is_none() {
            return;
        }
        if of_buyer.open.is_empty() {
            streams.by_buyer.remove(&self.buyer);
        }
        streams.count -= 1;
        metrics::gauge!("alert_streams_open").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_stream_is_closed_and_makes_room() {
        let hub = Hub::new(2, 2);
        let buyer: BuyerId = "alice".parse().unwrap();
        let (stalled, reads) = (hub.subscribe(&buyer).unwrap(), hub.subscribe(&buyer).unwrap());
        assert_eq!(hub.subscribe(&buyer).unwrap_err(), TooManyStreams::OfProcess);
        for stream in hub.streams().by_buyer.get_mut(&buyer).unwrap().open.values_mut() {
            stream.last_read = stream.last_read.checked_sub(STALLED * 2).unwrap();
        }
        reads.is_read();
        hub.close_stalled();
        assert!(stalled.closed.is_cancelled());
        assert!(!reads.closed.is_cancelled());

        let next = hub.subscribe(&buyer).unwrap();
        drop(stalled);
        assert_eq!(hub.streams().count, 2, "a stream that the hub closed is not counted twice");
        drop((reads, next));
        assert_eq!(hub.streams().count, 0);
        assert!(hub.streams().by_buyer.is_empty());
    }
}
