//! The invariants, checked while a schedule runs.

use std::collections::HashSet;

use uuid::Uuid;

use crate::database::{Database, State, index_of};

/// Follows what arrives at the broker and what the log is told.
#[derive(Default)]
pub(crate) struct Oracle {
    accepted: HashSet<Uuid>,
    pub(crate) first: u64,
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
        self.first += 1;
        let key: usize = row.event.key.parse().unwrap_or_default();
        let of_key = database.of_key.get(key).map_or(&[][..], Vec::as_slice);
        let earlier =
            of_key.iter().map_while(|index| (*index != index_of(id)).then(|| database.rows.get(*index)));
        let overtaken = earlier.flatten().find(|earlier| {
            earlier.state != State::Skipped
                && !self.accepted.contains(&relay_engine::Pending::id(&earlier.event))
        });
        if let Some(overtaken) = overtaken {
            let text = format!(
                "event {} of key {key} came before event {}",
                row.event.position, overtaken.event.position
            );
            self.violated(text);
        }
    }

    /// The log is told that these are published.
    pub(crate) fn marked(&mut self, ids: &[Uuid]) {
        if let Some(id) = ids.iter().find(|id| !self.accepted.contains(*id)) {
            self.violated(format!("event {} was marked and the broker does not have it", id.as_u128()));
        }
    }

    /// The log is told that this one can never be sent.
    pub(crate) fn marked_failed(&mut self, id: Uuid, database: &Database) {
        if database.rows.get(index_of(id)).is_none_or(|row| !row.poison) {
            self.violated(format!("event {} was marked failed and nothing is wrong with it", id.as_u128()));
        }
    }

    pub(crate) fn violated(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }
}
