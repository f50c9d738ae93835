//! Writers that append events, and an operator who decides about failed ones.

use crate::{
    database::{Poison, State, TYPES},
    plan::Plan,
    relay::Input,
    world::{MS, SECOND, World},
};

impl World {
    /// A writer appends an event in a transaction that commits or rolls back later.
    pub(crate) fn write(&mut self) {
        if self.to_write == 0 {
            return;
        }
        self.to_write -= 1;
        if self.chance(12) {
            self.schedule();
        }
        let key = self.rng.usize(0..self.keys);
        let event_type = TYPES[self.rng.usize(0..TYPES.len())];
        let poison = match self.chance(self.habits.poison_in) {
            false => Poison::None,
            true if self.rng.bool() => Poison::Unwritable,
            true => Poison::TooLarge,
        };
        if let Some(index) = self.database.append(key, event_type, poison) {
            // Some transactions stay open for long after they took their place.
            let open = if self.chance(8) { 2 * SECOND } else { 10 * MS };
            let commit = !self.chance(10);
            self.after(open, Plan::End { index, commit });
        }
        let pause = if self.chance(4) { 300 * MS } else { 5 * MS };
        self.after(pause, Plan::Write);
    }

    /// A writer's transaction ends. The notification after a commit may be lost.
    pub(crate) fn end(&mut self, index: usize, commit: bool) {
        self.database.end(index, commit, self.now);
        self.note(|| format!("event {} {}", index + 1, if commit { "commits" } else { "rolls back" }));
        for relay in 0..self.relays.len() {
            if commit && self.habits.notifies && !self.chance(5) {
                self.send_input(relay, Input::Notified);
            }
        }
    }

    /// An operator repairs the failed events, or skips them.
    pub(crate) fn operate(&mut self) {
        let repairs = self.rng.bool();
        for row in self.database.rows.iter_mut().filter(|row| row.state == State::Failed) {
            row.state = if repairs { State::Pending } else { State::Skipped };
            row.poison = Poison::None;
            let key: usize = row.event.key.parse().unwrap_or_default();
            if let Some(moved_at) = self.moved_at.get_mut(key) {
                *moved_at = self.now;
            }
        }
        self.after(2 * SECOND, Plan::Operate);
    }
}
