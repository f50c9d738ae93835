//! Which event is sent next, and over which channel.

use std::time::Instant;

use crate::{action::Action, engine::Engine, held::Hold, poll::Pending};

impl<E: Pending> Engine<E> {
    /// Connects, or sends an event.
    pub(crate) fn publish(&mut self, now: Instant) -> Option<Action> {
        let in_flight = self.backlog.in_flight();
        // All outcomes of the closed channel come at once. Those of a lost connection are unknown until their
        // deadline: no new connection before that.
        let opens_channel = self.broker.wants_channel() && in_flight == self.bisection.in_flight();
        let connects = self.broker.wants_connection(now) && in_flight == 0;
        if (opens_channel || connects) && !self.stopping {
            self.bisection.close_group();
            self.broker.connecting();
            return Some(Action::Connect);
        }
        if !self.may_publish(now) || !self.broker.takes(in_flight, now) {
            return None;
        }
        // What is held back goes first: it is little, and shows when the broker takes it again.
        let action =
            self.retry(now).or_else(|| self.probe(now)).or_else(|| self.backlog.take().map(Action::Send));
        if action.is_some() {
            self.broker.sent(now);
        }
        action
    }

    /// An event of a type that was nacked.
    fn retry(&mut self, now: Instant) -> Option<Action> {
        let due = self.held.due(Hold::Nacked, now).find(|event_type| self.backlog.has_held(event_type));
        let event_type = due?.to_owned();
        let id = self.backlog.take_held(&event_type)?;
        self.held.sent(&event_type, id);
        Some(Action::Send(id))
    }

    /// An event that may close its channel.
    fn probe(&mut self, now: Instant) -> Option<Action> {
        while let Some(id) = self.bisection.take() {
            if self.backlog.take_aside(id) {
                return Some(Action::Probe(id));
            }
            self.bisection.passed(id);
        }
        if !self.bisection.is_idle() {
            return None;
        }
        let due = self.held.due(Hold::Forbidden, now).find(|event_type| self.backlog.has_held(event_type));
        let event_type = due?.to_owned();
        let id = self.backlog.take_held(&event_type)?;
        self.held.sent(&event_type, id);
        self.bisection.probe(id);
        Some(Action::Probe(id))
    }
}
