//! The invariants, checked while a schedule runs.

use std::collections::HashSet;

use relay_engine::Pending;
use uuid::Uuid;

use crate::database::{Database, Poison, State, index_of};

/// Observes what arrives at the broker and what relays mark in the log.
///
/// It checks that an event is published after its commit, that the first publications of a key are in its
/// order, that only published events are marked, and that only poisonous events are marked failed.
#[derive(Default)]
pub(crate) struct Oracle {
    accepted: HashSet<Uuid>,
    pub(crate) published: u64,
    pub(crate) repeats: u64,
    pub(crate) violation: Option<String>,
}

impl Oracle {
    /// A message has reached the broker's queues.
    pub(crate) fn accepted(&mut self, id: Uuid, database: &Database) {
        let Some(row) = database.rows.get(index_of(id)) else {
            return self.violated(format!("an event that nobody wrote was published: {id}"));
        };
        if !row.committed {
            self.violated(format!("event {} was published before its commit", row.event.position));
        }
        if !self.accepted.insert(id) {
            self.repeats += 1;
            return;
        }
        self.published += 1;
        let key: usize = row.event.key.parse().unwrap_or_default();
        let of_key = database.of_key.get(key).map_or(&[][..], Vec::as_slice);
        let mut earlier = of_key.iter().take_while(|index| **index != index_of(id));
        let overtaken = earlier.find_map(|index| {
            let earlier = database.rows.get(*index)?;
            let waits = earlier.state != State::Skipped && !self.accepted.contains(&earlier.event.id());
            waits.then_some(earlier.event.position)
        });
        if let Some(overtaken) = overtaken {
            let position = row.event.position;
            self.violated(format!("event {position} of key {key} was published before event {overtaken}"));
        }
    }

    /// A relay marks these events published.
    pub(crate) fn marked(&mut self, ids: &[Uuid]) {
        if let Some(id) = ids.iter().find(|id| !self.accepted.contains(*id)) {
            self.violated(format!("event {} was marked and the broker does not have it", id.as_u128()));
        }
    }

    /// A relay has marked this event failed. `forbidden` says whether relays may not publish its type.
    pub(crate) fn marked_failed(&mut self, id: Uuid, forbidden: bool, database: &Database) {
        let row = database.rows.get(index_of(id));
        if row.is_none_or(|row| row.poison == Poison::None && !forbidden) {
            self.violated(format!("event {} was marked failed and nothing is wrong with it", id.as_u128()));
        }
    }

    pub(crate) fn violated(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }
}
