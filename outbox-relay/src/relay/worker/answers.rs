//! What the connections of a worker answer, reported to the engine.

use std::time::Instant;

use relay_engine::Outcome;

use super::Worker;
use crate::{
    relay::connections::{ConnectionTask, broker::BrokerEvent, log, ownership},
    store::{StoreError, ownership::Rebalanced},
};

impl Worker {
    pub(super) fn broker_event(&mut self, event: BrokerEvent) {
        let now = Instant::now();
        match event {
            BrokerEvent::Confirmed(id) => self.engine.answered(id, Outcome::Published, now),
            BrokerEvent::NotConfirmed(id, error) => {
                let outcome = self.broker.outcome_of(&error);
                if !matches!(outcome, Outcome::Nacked | Outcome::ChannelClosed(_)) {
                    self.broker_error = format!("{:#}", anyhow::Error::new(error));
                }
                self.engine.answered(id, outcome, now);
            }
            BrokerEvent::Unwritable(id, reason) => self.engine.answered(id, Outcome::Failed(reason), now),
            BrokerEvent::Connected(Ok(())) => {
                self.registration.cluster = self.broker.cluster();
                self.engine.connected();
            }
            BrokerEvent::Connected(Err(error)) => {
                self.broker_error = format!("{:#}", anyhow::Error::new(error));
                self.engine.broker_lost(now);
            }
        }
    }

    pub(super) fn ownership_answer(&mut self, answer: ownership::Answer) {
        match answer {
            ownership::Answer::Rebalanced(Rebalanced { leases, peer, .. }) => {
                self.source.set_database_problem(None);
                self.peer.send_if_modified(|known| std::mem::replace(known, peer) != peer);
                self.engine.rebalanced(leases);
            }
            ownership::Answer::Renewed(renewed) => self.engine.renewed(renewed),
            ownership::Answer::Released => self.engine.released(),
        }
        self.report_ownership();
    }

    pub(super) fn log_answer(&mut self, answer: log::Answer) {
        match answer {
            log::Answer::Polled(batch) => {
                // An operator may have cancelled what could not be moved.
                if batch.next_due.is_none_or(|wait| !wait.is_zero()) {
                    self.source.set_schedule_problem(None);
                }
                self.engine.polled(batch, Instant::now());
            }
            log::Answer::PollCancelled => self.engine.poll_timed_out(),
            log::Answer::Marked(transaction) => {
                let events = self.engine.marked(transaction);
                self.source.add_published(events);
            }
            log::Answer::MoveDueRefused(problem) => {
                self.source.set_schedule_problem(Some(problem));
                self.engine.move_due_refused(Instant::now());
            }
            log::Answer::MovedDue(events, next_due) => {
                if events > 0 {
                    self.source.set_schedule_problem(None);
                }
                self.engine.moved_due(events, next_due, Instant::now());
            }
            log::Answer::MarkedFailed(done) => self.engine.marked_failed(&done),
        }
    }

    pub(super) fn database_lost(&mut self, error: &StoreError) {
        self.source.set_database_problem(Some(&error.to_string()));
        self.ownership = ConnectionTask::closed();
        self.log = ConnectionTask::closed();
        self.opening = None;
        self.engine.database_lost(Instant::now());
        self.report_ownership();
    }
}
