//! The state of the connection to the broker.

use std::time::{Duration, Instant};

use crate::timing::BackOff;

/// How long a relay may be without a connection before it releases its partitions.
const WITHOUT_CONNECTION: Duration = Duration::from_secs(2);

/// How long the broker may leave everything unanswered before the relay releases its partitions. The connection is
/// kept longer: the answers may still come.
const WITHOUT_ANSWER: Duration = Duration::from_secs(4);

/// After so many connections in a row that ended without a confirmation of anything, the relay releases its partitions:
/// its user may connect, and not publish.
const FRUITLESS: u32 = 3;

/// How long it then owns none. After that, one more such connection is enough.
const WITHOUT_SHARE: Duration = Duration::from_secs(10);

/// What came of an event that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has confirmed the event.
    Published,
    /// The event itself is at fault and can never be published, for this reason: it is marked failed and blocks
    /// its key. Nothing else waits.
    Failed(String),
    /// The broker closed the channel while the event was in flight on it, because of this event or another one.
    /// The connection is open. Whether the broker has the event is unknown.
    ChannelClosed(Refusal),
    /// A queue of the event did not take it this time: events of its type wait. The channel can be used further.
    Nacked,
    /// The broker takes nothing now. Whether it has the event is unknown. The connection can be used further.
    Unanswered,
    /// The connection is lost. Whether the broker has the event is unknown.
    Unknown,
}

/// Why the broker closed a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The broker's words.
    pub reason: String,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// One event's, for example because it is too large. The broker does not say which.
    Event,
    /// All events of one type: the relay may not publish it. `None` where the broker does not say which type.
    Type(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Disconnected,
    Connecting,
    Connected,
    /// The broker has closed the channel, or another one is to be tried. The connection is open.
    ChannelOver,
    OpeningChannel,
}

/// What came of a connection so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CameOfIt {
    /// Nothing was sent over it.
    Nothing,
    /// What was sent is not confirmed.
    Unconfirmed,
    /// Something was confirmed.
    Confirmed,
}

/// The connection, and how many events may be in flight over it.
pub(crate) struct Broker {
    link: Link,
    back_off: BackOff,
    /// After a failure: no try before this moment.
    pause_until: Option<Instant>,
    blocked: bool,
    /// The last answer was a failure.
    fails: bool,
    /// One after a failure, doubled by each confirmation: a broker in trouble is not flooded again.
    window: usize,
    max_in_flight: usize,
    /// Since when there is no connection, or no answer to what is in flight.
    silent_since: Option<Instant>,
    /// What came of this connection.
    came_of_it: CameOfIt,
    /// Connections in a row over which something was sent and nothing confirmed.
    fruitless: u32,
    /// No partitions before this moment.
    no_share_until: Option<Instant>,
}

impl Broker {
    pub(crate) fn new(max_in_flight: usize, seed: u64) -> Self {
        Self {
            link: Link::Disconnected,
            back_off: BackOff::new(seed),
            pause_until: None,
            blocked: false,
            fails: false,
            window: max_in_flight,
            max_in_flight,
            silent_since: None,
            came_of_it: CameOfIt::Nothing,
            fruitless: 0,
            no_share_until: None,
        }
    }

    /// Whether a connection is to be made.
    pub(crate) fn wants_connection(&self, now: Instant) -> bool {
        self.link == Link::Disconnected && !self.is_paused(now)
    }

    /// Whether a channel is to be opened on the connection.
    pub(crate) fn wants_channel(&self) -> bool {
        self.link == Link::ChannelOver
    }

    /// Whether another event may be sent.
    pub(crate) fn takes(&self, in_flight: usize, now: Instant) -> bool {
        self.is_usable(now) && in_flight < self.window
    }

    /// Whether it makes sense to read events for it.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.link == Link::Connected && !self.blocked && !self.is_paused(now)
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }

    pub(crate) fn pause_until(&self) -> Option<Instant> {
        self.pause_until
    }

    pub(crate) fn connecting(&mut self) {
        self.link = if self.link == Link::ChannelOver { Link::OpeningChannel } else { Link::Connecting };
    }

    pub(crate) fn connected(&mut self) {
        self.link = Link::Connected;
        self.blocked = false;
        self.fails = false;
        self.silent_since = None;
    }

    pub(crate) fn is_available(&self) -> bool {
        self.is_connected() && !self.blocked && !self.fails && self.no_share_until.is_none()
    }

    /// The log is empty: whether the broker still fails is unknown.
    pub(crate) fn forget_failure(&mut self) {
        self.fails = false;
        self.no_share_until = None;
    }

    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked && self.is_connected();
        if self.blocked {
            self.silent_since = None;
        }
    }

    /// The connection failed or is lost.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.silent_since.get_or_insert(now);
        if self.is_connected() && self.came_of_it == CameOfIt::Unconfirmed {
            self.fruitless += 1;
            if self.fruitless >= FRUITLESS {
                self.fruitless = FRUITLESS - 1;
                self.no_share_until = Some(now + WITHOUT_SHARE);
            }
        }
        self.came_of_it = CameOfIt::Nothing;
        self.link = Link::Disconnected;
        self.blocked = false;
        self.back_off(now);
    }

    /// The broker has closed the channel, or another one is to be tried. No pause: the cause is set aside.
    pub(crate) fn channel_is_over(&mut self) {
        if self.link == Link::Connected {
            self.link = Link::ChannelOver;
        }
    }

    /// A failure: one pause for all failures that come together, then one event at first.
    pub(crate) fn back_off(&mut self, now: Instant) {
        if !self.is_paused(now) {
            self.pause_until = Some(self.back_off.next(now));
        }
        self.window = 1;
        self.fails = true;
    }

    /// An event is sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        if self.came_of_it == CameOfIt::Nothing {
            self.came_of_it = CameOfIt::Unconfirmed;
        }
        self.silent_since.get_or_insert(now);
    }

    /// The broker has answered, and so many events are still in flight.
    pub(crate) fn answered(&mut self, in_flight: usize, now: Instant) {
        if self.link == Link::Connected {
            self.silent_since = (in_flight > 0).then_some(now);
        }
    }

    pub(crate) fn confirmed(&mut self) {
        self.back_off.reset();
        self.fails = false;
        self.came_of_it = CameOfIt::Confirmed;
        self.fruitless = 0;
        self.no_share_until = None;
        self.window = (self.window * 2).min(self.max_in_flight);
    }

    /// When a relay releases its partitions for want of a broker: another relay may have one. A blocked broker takes
    /// nothing from any relay, so the partitions are kept.
    pub(crate) fn gives_up_at(&self) -> Option<Instant> {
        let patience = if self.is_connected() { WITHOUT_ANSWER } else { WITHOUT_CONNECTION };
        self.silent_since.filter(|_| !self.blocked).map(|since| since + patience)
    }

    /// Whether the relay may own partitions. It takes some only with a working connection, and keeps those that it
    /// owns for a moment without one.
    pub(crate) fn may_own(&self, owns_some: bool, now: Instant) -> bool {
        (owns_some || self.is_connected())
            && self.gives_up_at().is_none_or(|at| now < at)
            && self.no_share_until.is_none_or(|until| until <= now)
    }

    fn is_connected(&self) -> bool {
        matches!(self.link, Link::Connected | Link::ChannelOver | Link::OpeningChannel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection over which something is sent, and that ends.
    fn connect_and_lose(broker: &mut Broker, confirms: bool, now: Instant) {
        broker.connected();
        broker.sent(now);
        if confirms {
            broker.confirmed();
        }
        broker.lost(now);
        broker.connected();
    }

    #[test]
    fn after_three_connections_without_a_confirmation_nothing_is_owned_for_ten_seconds() {
        let (mut broker, now) = (Broker::new(1_000, 1), Instant::now());
        for _ in 0..2 {
            connect_and_lose(&mut broker, false, now);
            assert!(broker.may_own(true, now));
        }
        connect_and_lose(&mut broker, false, now);
        assert!(!broker.may_own(true, now) && !broker.is_available());
        let later = now + WITHOUT_SHARE;
        assert!(broker.may_own(false, later));
        connect_and_lose(&mut broker, false, later);
        assert!(!broker.may_own(true, later), "once more is enough");
    }

    #[test]
    fn connections_that_end_after_a_confirmation_or_with_nothing_sent_cost_no_partitions() {
        let (mut broker, now) = (Broker::new(1_000, 1), Instant::now());
        for _ in 0..5 {
            connect_and_lose(&mut broker, true, now);
            broker.lost(now);
            broker.connected();
        }
        assert!(broker.may_own(true, now) && broker.is_available());
    }
}
