//! What the caller reports to the engine.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{
    broker::Outcome,
    engine::{Engine, Request, Session},
    held::Hold,
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
        let Batch { resets, events, oldest_open, head, failed, next_due } = batch;
        let Some(poll) = self.poll.take_if(|poll| poll.resets == resets) else { return };
        self.log_is_busy = false;
        self.schedule.told(next_due, now);
        // A poll that started before a reset counts for nothing.
        if resets != self.resets {
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

    /// The database gave a poll up, because it took too long. The next one reads less. By itself this forgets nothing.
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
        self.has_moved = events > 0;
        if self.has_moved {
            self.poll_timer.poll_now();
        }
    }

    /// The database refused to move what is due, and can be used further. It is tried again after a pause.
    pub fn move_due_refused(&mut self, now: Instant) {
        self.log_is_busy = false;
        self.schedule.refused(now);
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
        self.bisection.forget_all();
    }

    /// The outcome of an event that was sent is known.
    pub fn answered(&mut self, id: Uuid, outcome: Outcome, now: Instant) {
        let position = match outcome {
            Outcome::Published => {
                self.broker.confirmed();
                self.type_answered(id, true);
                self.backlog.confirmed(id, now);
                self.passed(id, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Failed(reason) => {
                self.type_answered(id, false);
                self.backlog.failed(id, reason);
                self.passed(id, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Nacked => {
                self.type_answered(id, false);
                if let Some(event_type) = self.type_of(id) {
                    self.hold(&event_type, Hold::Nacked, now);
                    if self.held.wants_other_channel(&event_type, now) {
                        self.broker.channel_is_over();
                    }
                }
                self.backlog.put_back(id);
                self.passed(id, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::ChannelClosed(refusal) => {
                self.channel_closed(id, refusal, now);
                return self.broker.answered(self.backlog.in_flight(), now);
            }
            Outcome::Unanswered => {
                self.broker.back_off(now);
                self.type_answered(id, false);
                let position = self.backlog.read_again(id);
                self.passed(id, now);
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
