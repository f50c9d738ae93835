//! What the caller reports to the engine.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{
    broker::{Fault, Outcome, Refusal},
    engine::{Engine, Request, Session},
    held::Hold,
    high_water_mark::Seen,
    ownership::{Lease, Renewed},
    poll::{Batch, Pending},
    suspects::Verdict,
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
        let Batch { generation, events, oldest_open, head, failed, next_due } = batch;
        let Some(poll) = self.poll.take_if(|poll| poll.generation == generation) else { return };
        self.log_is_busy = false;
        self.schedule.told(next_due, now);
        // A poll that started before a reset counts for nothing.
        if generation != self.generation {
            return;
        }
        let bytes = events.iter().map(Pending::size).sum::<usize>();
        let is_complete = events.len() < self.config.batch_size && bytes < self.config.max_bytes;
        let seen = Seen {
            range: poll.range,
            started: poll.started,
            lowest: events.first().map(Pending::position),
            highest: events.last().map_or(0, Pending::position),
            is_complete,
            oldest_open,
            head,
            failed,
        };
        let Some(has_next_range) = self.high_water_mark.polled(&seen, now) else {
            self.reset();
            return;
        };
        self.poll_timer.polled(events.len(), !is_complete || has_next_range, now);
        if events.is_empty() && !self.awaits_confirmations() {
            self.broker.forget_failure();
        }
        for event in events {
            self.backlog.add(event);
        }
        if is_complete && !self.held.is_empty() {
            for event_type in self.held.forget(|event_type| self.backlog.has_held(event_type), now) {
                self.backlog.release(&event_type);
            }
        }
    }

    /// The database gave a poll up, because it took too long. The next one reads less. Nothing is forgotten.
    pub fn poll_timed_out(&mut self) {
        if self.poll.take().is_some() {
            self.log_is_busy = false;
            self.high_water_mark.timed_out();
            self.poll_timer.poll_now();
        }
    }

    /// There may be new events in the log.
    pub fn notified(&mut self) {
        self.poll_timer.poll_now();
    }

    /// So many due events were moved into the log, and it is so long until the next scheduled event.
    pub fn moved_due(&mut self, events: usize, next_due: Option<Duration>, now: Instant) {
        self.log_is_busy = false;
        self.schedule.moved(events, next_due, now);
        if events > 0 {
            self.poll_timer.poll_now();
        }
    }

    /// The confirmed events are marked, by the transaction with this number. Returns how many.
    pub fn marked(&mut self, transaction: u64) -> usize {
        self.log_is_busy = false;
        self.high_water_mark.marked(transaction);
        self.backlog.marked()
    }

    /// Failed events are marked: these ones. The others are not, because this relay no longer owns their
    /// partitions.
    pub fn marked_failed(&mut self, done: &[Uuid]) {
        self.log_is_busy = false;
        let all = self.backlog.marked_failed().len();
        for id in done {
            self.high_water_mark.marked_failed(*id);
        }
        if done.len() < all {
            self.ownership.rebalance();
            self.reset();
        }
    }

    /// The connection to the broker is open.
    pub fn connected(&mut self) {
        self.broker.connected();
        if self.ownership.leases().is_empty() {
            self.ownership.rebalance();
        }
    }

    /// The broker takes no messages because it is short of memory or disk (`true`), or takes them again.
    pub fn blocked(&mut self, blocked: bool) {
        self.broker.set_blocked(blocked);
    }

    /// The connection to the broker failed or is lost.
    pub fn broker_lost(&mut self, now: Instant) {
        self.broker.lost(now);
        self.forget_connection();
        self.poll_again();
    }

    fn forget_connection(&mut self) {
        self.held.connection_lost();
        self.suspects.forget_all();
    }

    /// An event was sent, with this outcome.
    pub fn sent(&mut self, id: Uuid, outcome: Outcome, now: Instant) {
        let position = match outcome {
            Outcome::Published => {
                self.broker.confirmed();
                self.type_answered(id, true);
                self.backlog.confirmed(id, now);
                self.cleared(id, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Refused(reason) => {
                self.type_answered(id, false);
                self.backlog.failed(id, reason);
                self.cleared(id, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Nacked => {
                self.type_answered(id, false);
                if let Some(event_type) = self.type_of(id) {
                    self.hold(&event_type, Hold::Nacked, now);
                }
                self.backlog.put_back(id);
                self.cleared(id, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Accused(refusal) => {
                self.accused(id, refusal, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Unanswered => {
                self.broker.back_off(now);
                self.type_answered(id, false);
                let position = self.backlog.nacked(id);
                self.cleared(id, now);
                position
            }
            Outcome::Unknown => {
                self.broker.lost(now);
                let position = self.backlog.unknown(id);
                self.forget_connection();
                position
            }
        };
        if let Some(position) = position {
            self.high_water_mark.retreat(position - 1);
        }
        self.poll_again();
    }

    fn type_of(&self, id: Uuid) -> Option<String> {
        Some(self.backlog.event(id)?.event_type().to_owned())
    }

    /// An event of a type that is held back was answered.
    fn type_answered(&mut self, id: Uuid, is_published: bool) {
        if self.held.is_empty() {
            return;
        }
        let Some(event_type) = self.type_of(id) else { return };
        let waits = self.backlog.has_held(&event_type);
        if self.held.answered(&event_type, id, is_published, waits) {
            self.backlog.release(&event_type);
        }
    }

    fn hold(&mut self, event_type: &str, hold: Hold, now: Instant) {
        if let Some(forgotten) = self.held.hold(event_type, hold, now) {
            self.backlog.release(&forgotten);
        }
        self.backlog.hold(event_type);
    }

    /// An event did not close the channel on which it was sent.
    fn cleared(&mut self, id: Uuid, now: Instant) {
        if self.suspects.is_in_flight(id) {
            let verdict = self.suspects.cleared(id);
            self.judge(verdict, now);
        }
    }

    /// The broker closed the channel on which this event was in flight.
    ///
    /// If the broker names a type, the events of the type are the cause: they are held back, and one of them is sent
    /// alone. If that one is refused as well, all of them have failed. If the broker names none, everything that was in
    /// flight is suspect, and the cause is found by halving.
    fn accused(&mut self, id: Uuid, refusal: Refusal, now: Instant) {
        let is_probe = self.suspects.is_in_flight(id);
        self.type_answered(id, false);
        if !is_probe {
            self.broker.channel_closed();
        }
        let named = match &refusal.fault {
            Fault::Type(Some(named)) => Some(named.clone()).filter(|named| {
                self.held.get(named) == Some(Hold::Forbidden) || self.backlog.is_type_in_flight(named)
            }),
            Fault::Type(None) | Fault::Event => None,
        };
        if let Some(named) = named {
            self.hold(&named, Hold::Forbidden, now);
            self.backlog.put_back(id);
            if is_probe {
                self.backlog.fail_held(&named, &refusal.reason);
                self.cleared(id, now);
            }
            return;
        }
        self.backlog.put_aside(id);
        if is_probe {
            let verdict = self.suspects.accused(id);
            self.refusal = Some(refusal);
            self.judge(verdict, now);
        } else {
            self.suspects.add(id);
        }
    }

    /// One event alone has closed its channel: it has failed, and with it the events of its type if that is the
    /// reason.
    fn judge(&mut self, verdict: Verdict, now: Instant) {
        let Verdict::Guilty(id) = verdict else { return };
        let Some(Refusal { reason, fault }) = self.refusal.take() else { return };
        let event_type = self.type_of(id).filter(|_| fault != Fault::Event);
        self.backlog.fail_aside(id, reason.clone());
        if let Some(event_type) = event_type {
            self.hold(&event_type, Hold::Forbidden, now);
            self.backlog.fail_held(&event_type, &reason);
        }
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
