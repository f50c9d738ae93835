//! What the broker does not take: types that are held back, and the event that made it close a channel.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    bisection::Progress,
    broker::{Fault, Refusal},
    engine::Engine,
    held::Hold,
    poll::Pending,
};

impl<E: Pending> Engine<E> {
    pub(crate) fn type_of(&self, id: Uuid) -> Option<String> {
        Some(self.backlog.event(id)?.event_type().to_owned())
    }

    /// An event of a type that is held back was answered.
    pub(crate) fn type_answered(&mut self, id: Uuid, is_published: bool) {
        if self.held.is_empty() {
            return;
        }
        let Some(event_type) = self.type_of(id) else { return };
        let waits = self.backlog.has_held(&event_type);
        if self.held.answered(&event_type, id, is_published, waits) {
            self.backlog.release(&event_type);
        }
    }

    pub(crate) fn hold(&mut self, event_type: &str, hold: Hold, now: Instant) {
        if let Some(forgotten) = self.held.hold(event_type, hold, now) {
            self.backlog.release(&forgotten);
        }
        self.backlog.hold(event_type);
    }

    /// An event did not close the channel on which it was sent.
    pub(crate) fn passed(&mut self, id: Uuid, now: Instant) {
        if self.bisection.is_in_flight(id) {
            let progress = self.bisection.passed(id);
            self.bisected(progress, now);
        }
    }

    /// The broker closed the channel on which this event was in flight.
    ///
    /// If the broker names a type, the events of the type are the cause: they are held back, and one of them is sent
    /// alone. If that one is refused as well, all of them have failed. If the broker names none, everything that was in
    /// flight may be the cause, which is found by bisection.
    pub(crate) fn channel_closed(&mut self, id: Uuid, refusal: Refusal, now: Instant) {
        let is_probe = self.bisection.is_in_flight(id);
        self.type_answered(id, false);
        if !is_probe {
            self.broker.channel_is_over();
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
                self.passed(id, now);
            }
            return;
        }
        self.backlog.put_aside(id);
        if is_probe {
            let progress = self.bisection.channel_closed(id);
            self.refusal = Some(refusal);
            self.bisected(progress, now);
        } else {
            self.bisection.add(id);
        }
    }

    /// One event alone has closed its channel: it has failed, and with it the events of its type if that is the
    /// reason.
    fn bisected(&mut self, progress: Progress, now: Instant) {
        let Progress::Found(id) = progress else { return };
        let Some(Refusal { reason, fault }) = self.refusal.take() else { return };
        let event_type = self.type_of(id).filter(|_| fault != Fault::Event);
        self.backlog.fail_aside(id, reason.clone());
        if let Some(event_type) = event_type {
            self.hold(&event_type, Hold::Forbidden, now);
            self.backlog.fail_held(&event_type, &reason);
        }
    }
}
