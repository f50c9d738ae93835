//! What the caller reports to the engine.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    broker::Outcome,
    engine::{Engine, Request, Session},
    high_water_mark::Seen,
    ownership::{Lease, Renewed},
    poll::{Batch, Pending},
};

impl<E: Pending> Engine<E> {
    /// The session with the database is open.
    pub fn opened(&mut self) {
        self.session = Session::Open;
        self.reopen_at = None;
    }

    /// The database is unavailable, or a statement failed: the session and its leases are over. Confirmed events
    /// are marked in the next session.
    pub fn database_lost(&mut self, now: Instant) {
        self.session = if self.session == Session::Releasing { Session::Over } else { Session::Closed };
        self.reopen_at = Some(self.session_back_off.next(now));
        self.ownership_request = None;
        self.log_is_busy = false;
        self.poll = None;
        self.backlog.cut_off(now);
        self.ownership.lost();
        self.reset();
    }

    /// A rebalance has ended with these leases.
    pub fn rebalanced(&mut self, leases: Vec<Lease>) {
        let Some(Request::Rebalance(asked_at)) = self.ownership_request.take() else { return };
        self.session_back_off.reset();
        if self.ownership.rebalanced(leases, asked_at) {
            self.reset();
        }
    }

    /// The leases were renewed.
    pub fn renewed(&mut self, renewed: Renewed) {
        let Some(Request::Renew(asked_at)) = self.ownership_request.take() else { return };
        if !self.ownership.renewed(renewed, asked_at) {
            // The new owner finds the same events failed.
            self.backlog.forget_failed();
            self.reset();
        }
    }

    /// Another relay or its session has ended: a rebalance is due.
    pub fn peer_left(&mut self) {
        self.ownership.rebalance();
    }

    /// A poll has ended.
    pub fn polled(&mut self, batch: Batch<E>, now: Instant) {
        let Batch { generation, events, oldest_open, failed } = batch;
        let Some(poll) = self.poll.take_if(|poll| poll.generation == generation) else { return };
        self.log_is_busy = false;
        // A poll that started before a reset counts for nothing.
        if generation != self.generation {
            return;
        }
        let bytes = events.iter().map(Pending::size).sum::<usize>();
        let is_complete = events.len() < self.config.batch_size && bytes < self.config.max_bytes;
        let seen = Seen {
            after: poll.after,
            started: poll.started,
            lowest: events.first().map(Pending::position),
            highest: events.last().map_or(0, Pending::position),
            is_complete,
            oldest_open,
            failed,
        };
        if !self.high_water_mark.polled(&seen, now) {
            self.reset();
            return;
        }
        self.poll_timer.polled(events.len(), !is_complete, now);
        if events.is_empty() && !self.awaits_confirmations() {
            self.broker.forget_refusal();
        }
        for event in events {
            self.backlog.add(event);
        }
    }

    /// There may be new events in the log.
    pub fn notified(&mut self) {
        self.poll_timer.poll_now();
    }

    /// The confirmed events are marked, by the transaction with this number. Returns how many.
    pub fn marked(&mut self, transaction: u64) -> usize {
        self.log_is_busy = false;
        self.high_water_mark.marked(transaction);
        self.backlog.marked()
    }

    /// A failed event is marked, or is not (`false`) because this relay no longer owns its partition.
    pub fn marked_failed(&mut self, done: bool) {
        self.log_is_busy = false;
        let id = self.backlog.marked_failed();
        if let Some(id) = id.filter(|_| done) {
            self.high_water_mark.marked_failed(id);
        } else {
            self.ownership.rebalance();
            self.reset();
        }
    }

    /// The connection to the broker is open.
    pub fn connected(&mut self) {
        self.broker.connected();
    }

    /// The broker takes no messages because it is short of memory or disk (`true`), or takes them again.
    pub fn blocked(&mut self, blocked: bool) {
        self.broker.set_blocked(blocked);
    }

    /// The connection to the broker failed or is lost.
    pub fn broker_lost(&mut self, now: Instant) {
        self.broker.lost(now);
        self.poll_again();
    }

    /// An event was sent, with this outcome.
    pub fn sent(&mut self, id: Uuid, outcome: Outcome, now: Instant) {
        let position = match outcome {
            Outcome::Published => {
                self.broker.confirmed();
                return self.backlog.confirmed(id, now);
            }
            Outcome::Refused(reason) => return self.backlog.failed(id, reason),
            Outcome::Nacked => {
                self.broker.back_off(now);
                self.backlog.nacked(id)
            }
            Outcome::Unknown => {
                self.broker.lost(now);
                self.backlog.unknown(id)
            }
        };
        if let Some(position) = position {
            self.high_water_mark.retreat(position - 1);
        }
        self.poll_again();
    }

    /// Stops: nothing more is read or sent. The engine waits for the confirmations in flight, then releases its
    /// partitions.
    pub fn stop(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.reset();
        }
    }

    /// All partitions are released.
    pub fn released(&mut self) {
        self.session = Session::Over;
    }

    /// Whether a stop is complete.
    pub fn is_over(&self) -> bool {
        self.session == Session::Over
    }
}
