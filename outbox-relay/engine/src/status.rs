//! What the engine tells of itself.

use uuid::Uuid;

use crate::{action::HeldBack, engine::Engine, ownership::Lease, poll::Pending};

impl<E: Pending> Engine<E> {
    /// An event that is to be sent or is in flight.
    pub fn event(&self, id: Uuid) -> Option<&E> {
        self.backlog.event(id)
    }

    /// The leases: what may be published now.
    pub fn leases(&self) -> &[Lease] {
        self.ownership.leases()
    }

    /// Whether the broker takes events, as far as reported.
    pub fn is_broker_available(&self) -> bool {
        self.broker.is_available()
    }

    /// The types of which events wait, while other types are published.
    pub fn held_back(&self) -> Vec<HeldBack> {
        let all = self.held.all().map(|(event_type, hold, since)| HeldBack {
            event_type: event_type.to_owned(),
            hold,
            since,
            waiting: self.backlog.held_count(event_type),
        });
        all.filter(|held| held.waiting > 0).collect()
    }

    /// Whether the engine was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether events are in flight.
    pub fn awaits_confirmations(&self) -> bool {
        self.backlog.in_flight() > 0
    }
}
