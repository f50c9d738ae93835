//! What must hold at every moment, not only in the end.

use relay_engine::Pending;

use crate::{
    database::{Poison, State},
    plan::Plan,
    world::{SECOND, World},
};

/// How long a relay without a broker may keep its partitions.
const KEEPS: u64 = 6 * SECOND;

/// How long an event may wait while the broker takes its type.
const WAITS: u64 = 10 * SECOND;

impl World {
    pub(crate) fn inspect(&mut self) {
        let is_slow = !self.database_is_up || self.now < self.slow_until + 10 * SECOND;
        let keeper = self.relays.iter().flatten().find(|running| {
            let since = running.without_broker_since.filter(|_| !running.is_frozen && !is_slow);
            since.is_some_and(|since| since + KEEPS < self.now)
                && self.database.owns_some(running.session, self.now)
        });
        if let Some(id) = keeper.map(|running| running.id) {
            self.oracle.violated(format!("process {id} has no broker and owns partitions"));
        }
        if self.habits.isolates && self.now < self.trouble_until {
            self.inspect_waiting();
        }
        self.after(SECOND, Plan::Inspect);
    }

    /// An event waits only for its own type, and for the events before it in its key.
    fn inspect_waiting(&mut self) {
        let is_over = |state| matches!(state, State::Published | State::Skipped);
        let rows = &self.database.rows;
        let first_of_keys = self.database.of_key.iter().filter_map(|of_key| {
            of_key.iter().filter_map(|index| rows.get(*index)).find(|row| !is_over(row.state))
        });
        let held_up = first_of_keys.into_iter().find(|row| {
            let event_type = row.event.event_type();
            let is_taken = !self.full.contains(event_type) && !self.was_forbidden(event_type);
            let key: usize = row.event.key.parse().unwrap_or_default();
            let first_since = self.moved_at.get(key).copied().unwrap_or_default().max(row.committed_at);
            let waits_long = first_since + WAITS < self.now && self.now > 15 * SECOND;
            row.poison == Poison::None && row.state == State::Pending && is_taken && waits_long
        });
        if let Some(position) = held_up.map(|row| row.event.position) {
            self.oracle.violated(format!("event {position} waits for events of other types"));
        }
    }
}
