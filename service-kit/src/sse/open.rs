//! The open streams of a process, by buyer: their limits, and what their buyers are told.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{ALIVE, HEARTBEAT, TooManyStreams};
use crate::auth::BuyerId;

/// A stream whose client reads nothing for this long is closed.
const STALLED: Duration = Duration::from_mins(1);

/// The open streams of this process. `T` is what is known of a buyer, by default nothing. Cheap to clone.
pub struct OpenStreams<T>(Arc<Shared<T>>);

struct Shared<T> {
    gauge: &'static str,
    max: usize,
    max_per_buyer: usize,
    streams: Mutex<Streams<T>>,
    wake_up: Notify,
}

struct Streams<T> {
    by_buyer: HashMap<BuyerId, OfBuyer<T>>,
    count: usize,
    next_id: u64,
}

struct OfBuyer<T> {
    known: watch::Sender<T>,
    open: HashMap<u64, Open>,
}

struct Open {
    last_read: Instant,
    closed: CancellationToken,
}

/// One open stream; dropping it makes room for another one.
pub struct OpenStream<T> {
    streams: OpenStreams<T>,
    buyer: BuyerId,
    id: u64,
    closed: CancellationToken,
    /// What is known of the buyer.
    pub known: watch::Receiver<T>,
}

/// When a stream ends.
#[derive(Debug, Clone)]
pub struct StreamEnd {
    /// Cancelled when its client has stalled.
    closed: CancellationToken,
    /// Cancelled when the service stops.
    stop: CancellationToken,
    /// When the buyer's token expires.
    expires_at: DateTime<Utc>,
}

impl<T> OpenStreams<T> {
    /// None yet, and at most so many. `gauge` is the metric that counts them.
    pub fn new(gauge: &'static str, max: usize, max_per_buyer: usize) -> Self {
        let streams = Mutex::new(Streams { by_buyer: HashMap::new(), count: 0, next_id: 0 });
        Self(Arc::new(Shared { gauge, max, max_per_buyer, streams, wake_up: Notify::new() }))
    }

    /// Opens a stream for this buyer, and wakes the poller.
    ///
    /// # Errors
    ///
    /// When the buyer, or the process, has as many as it may have.
    pub fn open(&self, buyer: &BuyerId) -> Result<OpenStream<T>, TooManyStreams>
    where
        T: Default,
    {
        let mut streams = self.streams();
        if streams.count >= self.0.max {
            return Err(TooManyStreams::OfProcess);
        }
        if streams.by_buyer.get(buyer).is_some_and(|buyer| buyer.open.len() >= self.0.max_per_buyer) {
            return Err(TooManyStreams::OfBuyer);
        }
        streams.count += 1;
        streams.next_id += 1;
        let (id, closed) = (streams.next_id, CancellationToken::new());
        let nothing = || OfBuyer { known: watch::Sender::default(), open: HashMap::new() };
        let of_buyer = streams.by_buyer.entry(buyer.clone()).or_insert_with(nothing);
        of_buyer.open.insert(id, Open { last_read: Instant::now(), closed: closed.clone() });
        let known = of_buyer.known.subscribe();
        drop(streams);
        metrics::gauge!(self.0.gauge).increment(1.0);
        self.wake();
        Ok(OpenStream { streams: self.clone(), buyer: buyer.clone(), id, closed, known })
    }

    /// Each buyer with open streams, and what `read` makes of what is known of them.
    pub fn of_each<R>(&self, read: impl Fn(&T) -> R) -> Vec<(BuyerId, R)> {
        let streams = self.streams();
        streams
            .by_buyer
            .iter()
            .map(|(buyer, of_buyer)| (buyer.clone(), read(&of_buyer.known.borrow())))
            .collect()
    }

    /// Changes what is known of a buyer; their streams hear of it if `change` says so. A buyer without streams is none
    /// to tell.
    pub fn tell(&self, buyer: &BuyerId, change: impl FnOnce(&mut T) -> bool) {
        if let Some(of_buyer) = self.streams().by_buyer.get(buyer) {
            of_buyer.known.send_if_modified(change);
        }
    }

    /// Whether nobody has a stream.
    pub fn is_empty(&self) -> bool {
        self.streams().by_buyer.is_empty()
    }

    /// Wakes who waits for [`woken`](Self::woken), now or next.
    pub fn wake(&self) {
        self.0.wake_up.notify_one();
    }

    /// Waits until a stream was opened, or [`wake`](Self::wake) was called.
    pub async fn woken(&self) {
        self.0.wake_up.notified().await;
    }

    /// Closes the streams of clients that have stalled. A stream ends when its client next reads.
    pub fn close_stalled(&self) {
        let mut streams = self.streams();
        let mut closed = 0;
        for of_buyer in streams.by_buyer.values_mut() {
            for (_, stream) in of_buyer.open.extract_if(|_, stream| stream.last_read.elapsed() > STALLED) {
                stream.closed.cancel();
                closed += 1;
            }
        }
        if closed > 0 {
            streams.by_buyer.retain(|_, of_buyer| !of_buyer.open.is_empty());
            streams.count -= closed;
            metrics::gauge!(self.0.gauge).decrement(f64::from(u32::try_from(closed).unwrap_or(0)));
            tracing::info!(streams = closed, "closed streams whose clients have stalled");
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams<T>> {
        // The map is consistent at every moment, also after a panic.
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for OpenStreams<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for OpenStreams<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenStreams({})", self.streams().count)
    }
}

impl<T> OpenStream<T> {
    /// When it ends, if the service stops by `stop` and the buyer's token expires then.
    pub fn end(&self, stop: &CancellationToken, expires_at: DateTime<Utc>) -> StreamEnd {
        StreamEnd { closed: self.closed.clone(), stop: stop.clone(), expires_at }
    }

    /// Records that the client reads: it has taken all that was sent.
    pub fn record_read(&self) {
        let mut streams = self.streams.streams();
        let of_buyer = streams.by_buyer.get_mut(&self.buyer);
        if let Some(stream) = of_buyer.and_then(|buyer| buyer.open.get_mut(&self.id)) {
            stream.last_read = Instant::now();
        }
    }
}

impl<T> fmt::Debug for OpenStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenStream({})", self.id)
    }
}

impl<T> Drop for OpenStream<T> {
    fn drop(&mut self) {
        let mut streams = self.streams.streams();
        let Some(of_buyer) = streams.by_buyer.get_mut(&self.buyer) else { return };
        // A stream that stalled is not counted any more.
        if of_buyer.open.remove(&self.id).is_none() {
            return;
        }
        if of_buyer.open.is_empty() {
            streams.by_buyer.remove(&self.buyer);
        }
        streams.count -= 1;
        metrics::gauge!(self.streams.0.gauge).decrement(1.0);
    }
}

impl StreamEnd {
    /// What a stream sends next: `page`, or a sign of life while that takes long. `None` when the stream has ended.
    pub async fn or(self, page: impl Future<Output = Bytes>) -> Option<Bytes> {
        let left = (self.expires_at - Utc::now()).to_std().unwrap_or_default();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            () = self.closed.cancelled() => None,
            () = tokio::time::sleep(left) => None,
            page = page => Some(page),
            () = tokio::time::sleep(HEARTBEAT) => Some(ALIVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_stream_is_closed_and_makes_room() {
        let all = OpenStreams::<u64>::new("streams_open", 2, 2);
        let buyer: BuyerId = "alice".parse().unwrap();
        let (stalled, reads) = (all.open(&buyer).unwrap(), all.open(&buyer).unwrap());
        assert_eq!(all.open(&buyer).err(), Some(TooManyStreams::OfProcess));
        for stream in all.streams().by_buyer.get_mut(&buyer).unwrap().open.values_mut() {
            stream.last_read = stream.last_read.checked_sub(STALLED * 2).unwrap();
        }
        reads.record_read();
        all.close_stalled();
        assert!(stalled.closed.is_cancelled());
        assert!(!reads.closed.is_cancelled());

        let next = all.open(&buyer).unwrap();
        drop(stalled);
        assert_eq!(all.streams().count, 2, "a stream that was closed is not counted twice");
        drop((reads, next));
        assert!(all.is_empty() && all.streams().count == 0);
    }

    #[test]
    fn a_buyer_has_a_limit_of_their_own_and_hears_what_is_told() {
        let all = OpenStreams::<u64>::new("streams_open", 9, 1);
        let (alice, bob): (BuyerId, BuyerId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let stream = all.open(&alice).unwrap();
        assert_eq!(all.open(&alice).err(), Some(TooManyStreams::OfBuyer));
        let other = all.open(&bob).unwrap();
        all.tell(&alice, |known| std::mem::replace(known, 7) != 7);
        assert_eq!((*stream.known.borrow(), *other.known.borrow()), (7, 0));
    }
}
