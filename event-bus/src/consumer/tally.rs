//! What a process's deliveries were, counted since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::inbox::receive::Receipt;

/// How many deliveries were of each kind since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Receipts {
    /// Seen for the first time, and handled.
    pub first: u64,
    /// Delivered again by the broker, flag set, and known.
    pub redelivered_known: u64,
    /// Known, although the flag was not set: sent a second time.
    pub repeated: u64,
    /// Seen for the first time, but older than what was known of its key.
    pub stale: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    first: AtomicU64,
    redelivered_known: AtomicU64,
    repeated: AtomicU64,
    stale: AtomicU64,
    in_hand: AtomicU64,
}

impl Tally {
    pub(super) fn count(&self, receipt: Receipt) {
        let counter = match receipt {
            Receipt::First => &self.first,
            Receipt::RedeliveredKnown => &self.redelivered_known,
            Receipt::Repeated => &self.repeated,
            Receipt::Stale => &self.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn receipts(&self) -> Receipts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Receipts {
            first: read(&self.first),
            redelivered_known: read(&self.redelivered_known),
            repeated: read(&self.repeated),
            stale: read(&self.stale),
        }
    }

    pub(super) fn set_in_hand(&self, messages: usize) {
        self.in_hand.store(messages as u64, Ordering::Relaxed);
    }

    pub(super) fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::Relaxed)
    }
}
