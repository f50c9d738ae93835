//! The status of a subscriber, and the counters of its deliveries.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::inbox::Receipt;

/// The deliveries of each kind since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Receipts {
    /// Events received for the first time, and handled.
    pub first: u64,
    /// Known events that the broker delivered again with the redelivered flag.
    pub redelivered_known: u64,
    /// Known events without the flag: published a second time.
    pub repeated: u64,
    /// Events received for the first time, but older than a known one of their key.
    pub stale: u64,
}

/// The status of a subscriber, now and later.
#[derive(Debug, Clone, Default)]
pub struct ConsumerHealth(Arc<Status>);

#[derive(Debug, Default)]
struct Status {
    is_connected: AtomicBool,
    has_subscribed: AtomicBool,
    first: AtomicU64,
    redelivered_known: AtomicU64,
    repeated: AtomicU64,
    stale: AtomicU64,
    in_hand: AtomicU64,
}

impl ConsumerHealth {
    /// Whether events arrive, as far as known.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected.load(Ordering::Relaxed)
    }

    /// Whether the queue was bound since the process started. From then on no event is missed, though it may be
    /// late. An event published before the queue was bound for the very first time never reaches it, so a fact
    /// that was looked up before that must not be stored.
    pub fn has_subscribed(&self) -> bool {
        self.0.has_subscribed.load(Ordering::Acquire)
    }

    /// The deliveries of each kind since the process started.
    pub fn receipts(&self) -> Receipts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Receipts {
            first: read(&self.0.first),
            redelivered_known: read(&self.0.redelivered_known),
            repeated: read(&self.0.repeated),
            stale: read(&self.0.stale),
        }
    }

    /// The number of messages that are being handled: delivered, and not acknowledged yet.
    pub fn in_hand(&self) -> u64 {
        self.0.in_hand.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, receipt: Receipt) {
        let counter = match receipt {
            Receipt::First => &self.0.first,
            Receipt::RedeliveredKnown => &self.0.redelivered_known,
            Receipt::Repeated => &self.0.repeated,
            Receipt::Stale => &self.0.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_in_hand(&self, messages: usize) {
        self.0.in_hand.store(messages as u64, Ordering::Relaxed);
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.0.is_connected.store(connected, Ordering::Relaxed);
        self.0.has_subscribed.fetch_or(connected, Ordering::AcqRel);
        metrics::gauge!("amqp_consumer_connected").set(if connected { 1.0 } else { 0.0 });
    }
}
