//! How things stand with the broker.

use std::time::Instant;

use crate::pace::BackOff;

/// What a refusal means for the connection that it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The broker refused the event; the connection can be used further.
    Refused,
    /// Nothing more can be sent over this connection.
    Disconnected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Away,
    Connecting,
    Connected,
}

/// The connection, and how much may be on its way.
pub(crate) struct Broker {
    link: Link,
    back_off: BackOff,
    /// After a refusal, or without a connection: nothing is tried before this moment.
    rest_until: Option<Instant>,
    blocked: bool,
    /// The last thing it said was no.
    refuses: bool,
    /// One after a refusal, doubled by each confirmation: a broker that was full is not flooded again.
    window: usize,
    widest: usize,
}

impl Broker {
    pub(crate) fn new(window: usize, seed: u64) -> Self {
        Self {
            link: Link::Away,
            back_off: BackOff::new(seed),
            rest_until: None,
            blocked: false,
            refuses: false,
            window,
            widest: window,
        }
    }

    pub(crate) fn wants_connection(&self, now: Instant) -> bool {
        self.link == Link::Away && !self.rests(now)
    }

    pub(crate) fn takes(&self, on_their_way: usize, now: Instant) -> bool {
        self.is_connected() && !self.blocked && !self.rests(now) && on_their_way < self.window
    }

    /// Whether it is worth reading events for it.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.is_connected() && !self.blocked && !self.rests(now)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link == Link::Connected
    }

    fn rests(&self, now: Instant) -> bool {
        self.rest_until.is_some_and(|until| now < until)
    }

    pub(crate) fn rest_until(&self) -> Option<Instant> {
        self.rest_until
    }

    pub(crate) fn connects(&mut self) {
        self.link = Link::Connecting;
    }

    pub(crate) fn connected(&mut self) {
        self.link = Link::Connected;
        self.blocked = false;
        self.refuses = false;
    }

    pub(crate) fn is_well(&self) -> bool {
        self.is_connected() && !self.blocked && !self.refuses
    }

    /// There is nothing to send, so that nobody can say whether it would be taken.
    pub(crate) fn is_not_needed(&mut self) {
        self.refuses = false;
    }

    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// Something went wrong: a pause, once for all that went wrong together, and then one event at first.
    pub(crate) fn refused(&mut self, refusal: Refusal, now: Instant) {
        if refusal == Refusal::Disconnected {
            self.link = Link::Away;
            self.blocked = false;
        }
        if !self.rests(now) {
            self.rest_until = Some(self.back_off.next(now));
        }
        self.window = 1;
        self.refuses = true;
    }

    pub(crate) fn confirmed(&mut self) {
        self.back_off.reset();
        self.refuses = false;
        self.window = (self.window * 2).min(self.widest);
    }
}
