//! What the engine is told.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    Engine, Found, Lease, Pending, Refusal, Renewed,
    engine::{Asking, Session},
    horizon::Seen,
};

impl<E: Pending> Engine<E> {
    /// The session with the database is open.
    pub fn opened(&mut self) {
        self.session = Session::Open;
        self.reopen_at = None;
    }

    /// The database is away, or did not do what it was asked to: the session, and with it ownership, is
    /// over. What was confirmed is marked when there is a session again.
    pub fn database_lost(&mut self, now: Instant) {
        self.session = if self.session == Session::Resigning { Session::Over } else { Session::Closed };
        self.reopen_at = Some(self.session_back_off.next(now));
        self.asking = None;
        self.log_is_busy = false;
        self.backlog.cut_off(now);
        self.ownership.lost();
        self.reset();
    }

    /// Relays have agreed on these leases.
    pub fn agreed(&mut self, leases: Vec<Lease>) {
        let Some(Asking::Agree(asked_at)) = self.asking.take() else { return };
        self.session_back_off.reset();
        if self.ownership.agreed(leases, asked_at) {
            self.reset();
        }
    }

    /// The leases were prolonged.
    pub fn renewed(&mut self, renewed: Renewed) {
        let Some(Asking::Renew(asked_at)) = self.asking.take() else { return };
        if !self.ownership.renewed(renewed, asked_at) {
            // Whoever owns them now comes to the same conclusion.
            self.backlog.forget_impossible();
            self.reset();
        }
    }

    /// Another relay has gone, or its session has: time to agree anew.
    pub fn neighbour_left(&mut self) {
        self.ownership.agree();
    }

    /// A look has ended.
    pub fn found(&mut self, found: Found<E>, now: Instant) {
        self.log_is_busy = false;
        let Found { look, events, oldest_open, parked } = found;
        if look.generation != self.generation {
            return;
        }
        let is_complete =
            events.len() < look.limit && events.iter().map(Pending::size).sum::<usize>() < look.bytes;
        let highest = events.last().map_or(0, Pending::position);
        let lowest = events.first().map(Pending::position);
        let (after, began) = (look.after, look.began);
        let seen = Seen { after, began, lowest, highest, is_complete, oldest_open, parked };
        if !self.horizon.looked(&seen, now) {
            self.reset();
            return;
        }
        self.polling.looked(events.len(), !is_complete, now);
        if events.is_empty() && !self.awaits_confirmations() {
            self.broker.is_not_needed();
        }
        for event in events {
            self.backlog.add(event);
        }
    }

    /// There may be something new in the log.
    pub fn notified(&mut self) {
        self.polling.look_at_once();
    }

    /// What was to be marked is marked, by this transaction of the database's. Returns how many.
    pub fn marked(&mut self, transaction: u64) -> usize {
        self.log_is_busy = false;
        self.horizon.marked(transaction);
        self.backlog.marked()
    }

    /// An event was parked, or was not (`false`) since the partition is not this relay's any more.
    pub fn parked(&mut self, done: bool) {
        self.log_is_busy = false;
        let id = self.backlog.parked();
        if let Some(id) = id.filter(|_| done) {
            self.horizon.parks(id);
        } else {
            self.ownership.agree();
            self.reset();
        }
    }

    /// The connection to the broker stands.
    pub fn connected(&mut self) {
        self.broker.connected();
    }

    /// The broker takes no messages, since it is short of memory or disk; or takes them again.
    pub fn blocked(&mut self, blocked: bool) {
        self.broker.set_blocked(blocked);
    }

    /// There is no connection to the broker, or none any more.
    pub fn broker_lost(&mut self, now: Instant) {
        self.broker.refused(Refusal::Disconnected, now);
        self.read_again();
    }

    /// The broker has an event.
    pub fn confirmed(&mut self, id: Uuid, now: Instant) {
        self.broker.confirmed();
        self.backlog.confirmed(id, now);
    }

    /// The broker does not have an event, or nobody knows. It counts against the broker alone.
    pub fn refused(&mut self, id: Uuid, refusal: Refusal, now: Instant) {
        if let Some(position) = self.backlog.failed(id, refusal) {
            self.horizon.retreat(position - 1);
        }
        self.broker.refused(refusal, now);
        self.read_again();
    }

    /// An event can never be sent as it is.
    pub fn impossible(&mut self, id: Uuid, reason: String) {
        self.backlog.impossible(id, reason);
    }

    /// No more is read or sent; what is on its way is waited for, then everything is given up.
    pub fn stop(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.reset();
        }
    }

    /// Everything was given up.
    pub fn resigned(&mut self) {
        self.session = Session::Over;
    }

    /// Whether a stop is complete.
    pub fn is_over(&self) -> bool {
        self.session == Session::Over
    }
}
