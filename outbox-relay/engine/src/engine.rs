//! The engine: what to do next.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    Lease, Pending, Terms,
    backlog::Backlog,
    broker::Broker,
    horizon::Horizon,
    look::Look,
    ownership::Ownership,
    pace::{BackOff, Polling},
};

/// What the relay is to do. Each is answered later by one of the engine's inputs, named here, and
/// [`database_lost`](Engine::database_lost) or [`broker_lost`](Engine::broker_lost) where it cannot be
/// done; meanwhile the engine is asked for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the session with the database: [`opened`](Engine::opened).
    Open,
    /// Agree on partitions with other relays: [`agreed`](Engine::agreed).
    Agree,
    /// Prolong the leases: [`renewed`](Engine::renewed).
    Renew,
    /// Connect to the broker: [`connected`](Engine::connected).
    Connect,
    /// Look into the log: [`found`](Engine::found).
    Read(Look),
    /// Send an [`event`](Engine::event): [`confirmed`](Engine::confirmed), [`refused`](Engine::refused) or
    /// [`impossible`](Engine::impossible).
    Send(Uuid),
    /// Mark these events published: [`marked`](Engine::marked).
    Mark(Vec<Uuid>),
    /// Mark an event as one that cannot be published, under the lease: [`parked`](Engine::parked).
    Park(Uuid, String, Lease),
    /// Give all partitions up: [`resigned`](Engine::resigned).
    Resign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    Closed,
    Opening,
    Open,
    Resigning,
    Over,
}

/// What the session for ownership is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    Agree(Instant),
    Renew(Instant),
}

/// One relay's work on one database. See the crate's documentation.
pub struct Engine<E> {
    pub(crate) terms: Terms,
    pub(crate) backlog: Backlog<E>,
    pub(crate) ownership: Ownership,
    pub(crate) broker: Broker,
    pub(crate) horizon: Horizon,
    pub(crate) polling: Polling,
    pub(crate) session: Session,
    pub(crate) session_back_off: BackOff,
    pub(crate) reopen_at: Option<Instant>,
    pub(crate) asking: Option<Asking>,
    /// One statement at a time: a look, a mark or a park.
    pub(crate) log_is_busy: bool,
    /// Raised whenever something that was read is forgotten: a look that began before counts for nothing.
    pub(crate) generation: u64,
    pub(crate) stopping: bool,
}

impl<E: Pending> Engine<E> {
    /// An engine that has not begun. `seed` spreads the pauses of several relays.
    pub fn new(terms: Terms, seed: u64) -> Self {
        Self {
            backlog: Backlog::default(),
            ownership: Ownership::new(terms.renewal, terms.trusted),
            broker: Broker::new(terms.window, seed),
            horizon: Horizon::new(terms.sweep),
            polling: Polling::new(terms.poll),
            session: Session::Closed,
            session_back_off: BackOff::new(!seed),
            reopen_at: None,
            asking: None,
            log_is_busy: false,
            generation: 0,
            stopping: false,
            terms,
        }
    }

    /// What to do now; `None` when there is nothing before the next input or [`wake_at`](Self::wake_at), or
    /// ever ([`is_over`](Self::is_over)).
    pub fn next(&mut self, now: Instant) -> Option<Action> {
        match self.session {
            // Without a database, what was confirmed and not marked is sent again by the next owner.
            Session::Closed | Session::Opening if self.stopping => {
                if !self.awaits_confirmations() {
                    self.session = Session::Over;
                }
                None
            }
            Session::Closed if self.reopen_at.is_none_or(|at| at <= now) => {
                self.session = Session::Opening;
                Some(Action::Open)
            }
            Session::Open => self
                .own(now)
                .or_else(|| self.publish(now))
                .or_else(|| self.record(now))
                // A new event does not wait for the marking of the last one.
                .or_else(|| self.look(now))
                .or_else(|| self.mark_if(!self.awaits_confirmations())),
            Session::Closed | Session::Opening | Session::Resigning | Session::Over => None,
        }
    }

    /// Partitions are agreed upon while nothing is on its way: one that is given up may be published by
    /// another relay at once. While something is on its way, leases are only prolonged.
    fn own(&mut self, now: Instant) -> Option<Action> {
        if self.asking.is_some() {
            return None;
        }
        let is_settled = self.backlog.is_settled() && !self.log_is_busy;
        if self.stopping && is_settled {
            self.session = Session::Resigning;
            return Some(Action::Resign);
        }
        let due = self.ownership.is_renewal_due(now);
        if is_settled && !self.stopping && (due || self.ownership.wants_agreement()) {
            self.asking = Some(Asking::Agree(now));
            self.ownership.asks();
            return Some(Action::Agree);
        }
        if due && !self.ownership.leases().is_empty() {
            self.asking = Some(Asking::Renew(now));
            return Some(Action::Renew);
        }
        None
    }

    /// Whether events may be read and sent now.
    fn may_publish(&self, now: Instant) -> bool {
        !self.stopping
            && !self.ownership.wants_agreement()
            && !matches!(self.asking, Some(Asking::Agree(_)))
            && self.ownership.is_valid(now)
    }

    fn publish(&mut self, now: Instant) -> Option<Action> {
        // What is on its way over a lost connection is unknown until its deadline: nothing new before that.
        if self.broker.wants_connection(now) && self.backlog.on_their_way() == 0 && !self.stopping {
            self.broker.connects();
            return Some(Action::Connect);
        }
        if self.may_publish(now) && self.broker.takes(self.backlog.on_their_way(), now) {
            return self.backlog.take().map(Action::Send);
        }
        None
    }

    fn record(&mut self, now: Instant) -> Option<Action> {
        if self.log_is_busy {
            return None;
        }
        if self.backlog.has_impossible()
            && let Some((id, reason)) = self.backlog.park()
        {
            let lease = self.backlog.event(id).and_then(|event| self.ownership.lease(event.partition()));
            if let Some(lease) = lease {
                self.log_is_busy = true;
                return Some(Action::Park(id, reason, lease));
            }
            // Somebody else's by now: whoever it is comes to the same conclusion.
            self.backlog.parked();
            self.reset();
            return self.own(now);
        }
        self.mark_if(self.is_mark_due(now))
    }

    fn is_mark_due(&self, now: Instant) -> bool {
        let gathered = self.backlog.confirmed_since().is_some_and(|since| since + self.terms.gather <= now);
        gathered || self.backlog.confirmed_count() > self.terms.chunk / 2 || !self.may_publish(now)
    }

    fn mark_if(&mut self, due: bool) -> Option<Action> {
        if !due || self.log_is_busy || self.backlog.confirmed_count() == 0 {
            return None;
        }
        self.log_is_busy = true;
        self.horizon.marks();
        Some(Action::Mark(self.backlog.mark()))
    }

    fn look(&mut self, now: Instant) -> Option<Action> {
        let has_room =
            self.backlog.unsent() <= self.terms.chunk / 2 && self.backlog.bytes() <= self.terms.bytes;
        let wanted = self.polling.is_due(now) && has_room;
        if self.log_is_busy || !wanted || !self.may_publish(now) || !self.broker.is_usable(now) {
            return None;
        }
        self.log_is_busy = true;
        self.polling.looks();
        let after = self.horizon.begin(now);
        Some(Action::Read(Look {
            partitions: self.ownership.leases().iter().map(|lease| lease.partition).collect(),
            after,
            known: self.backlog.known_after(after),
            limit: self.terms.chunk,
            bytes: self.terms.bytes,
            began: now,
            generation: self.generation,
        }))
    }

    /// Forgets what was read and not sent, so that the next look finds it again, from the front.
    pub(crate) fn reset(&mut self) {
        self.read_again();
        self.horizon.reset();
    }

    /// The same where the log and the leases are as they were: the next look begins no later than before
    /// what is forgotten.
    pub(crate) fn read_again(&mut self) {
        if let Some(lowest) = self.backlog.forget_unsent() {
            self.horizon.retreat(lowest - 1);
        }
        self.polling.look_at_once();
        self.generation += 1;
    }

    /// The next moment at which time alone makes a difference.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let gathered = self.backlog.confirmed_since().map(|since| since + self.terms.gather);
        let moments = [
            self.reopen_at.filter(|_| self.session == Session::Closed),
            self.ownership.renewal_at(),
            self.broker.rest_until(),
            self.polling.next(),
            gathered,
        ];
        // What is past waits for something else. An open session is never left without a next look at it.
        let net = (self.session == Session::Open).then(|| now + self.terms.renewal);
        moments.into_iter().flatten().filter(|moment| *moment > now).chain(net).min()
    }

    /// An event that is to be sent or is on its way.
    pub fn event(&self, id: Uuid) -> Option<&E> {
        self.backlog.event(id)
    }

    /// What may be published now.
    pub fn leases(&self) -> &[Lease] {
        self.ownership.leases()
    }

    /// Whether there is a connection to the broker, as far as the engine was told.
    pub fn is_connected(&self) -> bool {
        self.broker.is_connected()
    }

    /// Whether the broker takes what it is sent, as far as is known.
    pub fn is_broker_well(&self) -> bool {
        self.broker.is_well()
    }

    /// Whether the engine was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether messages are on their way.
    pub fn awaits_confirmations(&self) -> bool {
        self.backlog.on_their_way() > 0
    }
}
