//! Writers that append events, and an operator who decides about failed ones.

use crate::{
    database::State,
    relay::Input,
    world::{MS, Plan, SECOND, World},
};

impl World {
    /// A writer appends an event in a transaction that commits or rolls back later.
    pub(crate) fn write(&mut self) {
        if self.to_write == 0 {
            return;
        }
        self.to_write -= 1;
        let key = self.rng.usize(0..self.keys);
        let poison = self.chance(self.habits.poison_in);
        if let Some(index) = self.database.append(key, poison) {
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
        self.database.end(index, commit);
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
            row.poison = false;
        }
        self.after(2 * SECOND, Plan::Operate);
    }
}
