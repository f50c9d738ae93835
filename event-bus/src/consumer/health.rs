//! The status of a subscriber, and the counters of its deliveries.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use crate::inbox::{Receipt, WaitingSummary};

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
    /// Events received for the first time that had no effect: older than one of their key that was handled, where only
    /// the newest counts, or older than the inbox reaches back.
    pub stale: u64,
    /// Events received for the first time that failed, or came while an earlier event of their key waited.
    pub waiting: u64,
}

/// The status of a subscriber, now and later.
#[derive(Debug, Clone)]
pub struct ConsumerHealth(Arc<Status>);

#[derive(Debug, Default)]
struct Status {
    consumer: String,
    is_connected: AtomicBool,
    has_subscribed: AtomicBool,
    first: AtomicU64,
    redelivered_known: AtomicU64,
    repeated: AtomicU64,
    stale: AtomicU64,
    waiting: AtomicU64,
    in_hand: AtomicU64,
    waiting_events: AtomicI64,
    blocked_keys: AtomicI64,
    problem: Mutex<Option<String>>,
}

impl ConsumerHealth {
    pub(super) fn of(consumer: &str) -> Self {
        let health = Self(Arc::new(Status { consumer: consumer.to_owned(), ..Status::default() }));
        health.gauge("amqp_consumer_connected", 0.0);
        health
    }

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

    /// Why no events arrive, while none do.
    pub fn problem(&self) -> Option<String> {
        self.lock_problem().clone()
    }

    /// The deliveries of each kind since the process started.
    pub fn receipts(&self) -> Receipts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Receipts {
            first: read(&self.0.first),
            redelivered_known: read(&self.0.redelivered_known),
            repeated: read(&self.0.repeated),
            stale: read(&self.0.stale),
            waiting: read(&self.0.waiting),
        }
    }

    /// The number of messages that are being handled: delivered, and not acknowledged yet.
    pub fn in_hand(&self) -> u64 {
        self.0.in_hand.load(Ordering::Relaxed)
    }

    /// The number of events that wait for another try, or behind one that does; seconds old.
    pub fn waiting_events(&self) -> i64 {
        self.0.waiting_events.load(Ordering::Relaxed)
    }

    /// The number of keys that wait for an operator; seconds old.
    pub fn blocked_keys(&self) -> i64 {
        self.0.blocked_keys.load(Ordering::Relaxed)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
    pub(super) fn set_waiting(&self, waiting: WaitingSummary) {
        self.0.waiting_events.store(waiting.events, Ordering::Relaxed);
        self.0.blocked_keys.store(waiting.blocked_keys, Ordering::Relaxed);
        self.gauge("inbox_waiting_events", waiting.events as f64);
        self.gauge("inbox_blocked_keys", waiting.blocked_keys as f64);
    }

    fn gauge(&self, name: &'static str, value: f64) {
        metrics::gauge!(name, "consumer" => self.0.consumer.clone()).set(value);
    }

    pub(super) fn count(&self, receipt: Receipt) {
        let counter = match receipt {
            Receipt::First { .. } => &self.0.first,
            Receipt::Waiting => &self.0.waiting,
            Receipt::RedeliveredKnown => &self.0.redelivered_known,
            Receipt::Repeated => &self.0.repeated,
            Receipt::Stale => &self.0.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_in_hand(&self, messages: usize) {
        self.0.in_hand.store(messages as u64, Ordering::Relaxed);
    }

    /// Notes why nothing is consumed; `false` if it is known already.
    pub(super) fn fail(&self, reason: &str) -> bool {
        self.set_connected(false);
        let before = self.lock_problem().replace(reason.to_owned());
        before.as_deref() != Some(reason)
    }

    fn lock_problem(&self) -> MutexGuard<'_, Option<String>> {
        self.0.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_connected(&self, connected: bool) {
        if connected {
            *self.lock_problem() = None;
        }
        self.0.is_connected.store(connected, Ordering::Relaxed);
        self.0.has_subscribed.fetch_or(connected, Ordering::AcqRel);
        self.gauge("amqp_consumer_connected", if connected { 1.0 } else { 0.0 });
    }
}
