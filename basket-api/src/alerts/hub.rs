//! The open streams of this process, by buyer.
//!
//! [`poller`](super::poller) has `Hub::run`, which finds new alerts and passes them to the streams through the hub.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use service_kit::sse::{OpenStream, OpenStreams, StreamSettings, TooManyStreams};
use tokio::sync::watch;

use super::model::{Alert, AlertId};
use crate::baskets::BuyerId;

/// The open streams of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) streams: OpenStreams<Latest>,
    /// The number of the last poll that was begun.
    polls: AtomicU64,
    /// The number of the last poll that succeeded.
    pub(super) polled: watch::Sender<u64>,
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

/// One stream's part of the hub; dropping it makes room for another stream.
#[derive(Debug)]
pub struct Subscription {
    /// The stream, and what the poller knows of the buyer's alerts.
    pub open: OpenStream<Latest>,
    /// The first poll that finds everything that was committed before this subscription.
    first_poll: u64,
    polled: watch::Receiver<u64>,
}

impl Hub {
    /// A hub with these limits.
    pub fn new(limits: StreamSettings) -> Self {
        let streams = OpenStreams::new("alert_streams_open", limits.max, limits.max_per_buyer);
        Self(Arc::new(Shared { streams, polls: AtomicU64::default(), polled: watch::Sender::new(0) }))
    }

    /// Subscribes one stream to the alerts of this buyer. From now on it misses none.
    pub fn subscribe(&self, buyer: &BuyerId) -> Result<Subscription, TooManyStreams> {
        let open = self.0.streams.open(buyer)?;
        // Read after the stream is open: a poll that begins later asks for its buyer.
        let first_poll = self.0.polls.load(Ordering::SeqCst) + 1;
        Ok(Subscription { open, first_poll, polled: self.0.polled.subscribe() })
    }

    /// Numbers a poll. Whom it asks for must be read after this.
    pub(super) fn begin_poll(&self) -> u64 {
        self.0.polls.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Subscription {
    /// Waits for the first poll after this subscription, and returns the newest alert at that time;
    /// without alerts the default id, which is below all others. `None` when the hub is gone.
    pub async fn newest(&mut self) -> Option<AlertId> {
        let first_poll = self.first_poll;
        self.polled.wait_for(|polled| *polled >= first_poll).await.ok()?;
        Some(self.open.known.borrow().newest.unwrap_or_default())
    }
}
