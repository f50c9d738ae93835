//! The state of the connection to the broker.

use std::time::Instant;

use crate::timing::BackOff;

/// What came of an event that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has confirmed the event.
    Published,
    /// The event itself is at fault and can never be published, for this reason: it is marked failed and blocks
    /// its key. Nothing else waits.
    Refused(String),
    /// The broker did not take the event this time. The connection can be used further.
    Nacked,
    /// The connection is lost. Whether the broker has the event is unknown.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Disconnected,
    Connecting,
    Connected,
}

/// The connection, and how many events may be in flight over it.
pub(crate) struct Broker {
    link: Link,
    back_off: BackOff,
    /// After a failure: no try before this moment.
    pause_until: Option<Instant>,
    blocked: bool,
    /// The last answer was a refusal.
    refuses: bool,
    /// One after a refusal, doubled by each confirmation: a full broker is not flooded again.
    max_in_flight: usize,
    limit: usize,
}

impl Broker {
    pub(crate) fn new(limit: usize, seed: u64) -> Self {
        Self {
            link: Link::Disconnected,
            back_off: BackOff::new(seed),
            pause_until: None,
            blocked: false,
            refuses: false,
            max_in_flight: limit,
            limit,
        }
    }

    pub(crate) fn wants_connection(&self, now: Instant) -> bool {
        self.link == Link::Disconnected && !self.is_paused(now)
    }

    /// Whether another event may be sent.
    pub(crate) fn takes(&self, in_flight: usize, now: Instant) -> bool {
        self.is_usable(now) && in_flight < self.max_in_flight
    }

    /// Whether it makes sense to read events for it.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.is_connected() && !self.blocked && !self.is_paused(now)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link == Link::Connected
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }

    pub(crate) fn pause_until(&self) -> Option<Instant> {
        self.pause_until
    }

    pub(crate) fn connecting(&mut self) {
        self.link = Link::Connecting;
    }

    pub(crate) fn connected(&mut self) {
        self.link = Link::Connected;
        self.blocked = false;
        self.refuses = false;
    }

    pub(crate) fn is_available(&self) -> bool {
        self.is_connected() && !self.blocked && !self.refuses
    }

    /// The log is empty: whether the broker still refuses is unknown.
    pub(crate) fn forget_refusal(&mut self) {
        self.refuses = false;
    }

    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// The connection failed or is lost.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.link = Link::Disconnected;
        self.blocked = false;
        self.back_off(now);
    }

    /// A failure: one pause for all failures that come together, then one event at first.
    pub(crate) fn back_off(&mut self, now: Instant) {
        if !self.is_paused(now) {
            self.pause_until = Some(self.back_off.next(now));
        }
        self.max_in_flight = 1;
        self.refuses = true;
    }

    pub(crate) fn confirmed(&mut self) {
        self.back_off.reset();
        self.refuses = false;
        self.max_in_flight = (self.max_in_flight * 2).min(self.limit);
    }
}
