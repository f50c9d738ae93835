//! When scheduled events have to be moved into the log.

use std::time::{Duration, Instant};

/// The pause after a try that moved nothing though something is due: another relay does it at this moment.
const PAUSE: Duration = Duration::from_millis(100);

/// The time of the next scheduled event, as far as the database has told it.
#[derive(Default)]
pub(crate) struct Schedule {
    due_at: Option<Instant>,
}

impl Schedule {
    /// The database says how long it is until the next scheduled event; `None` if there is none.
    pub(crate) fn told(&mut self, next_due: Option<Duration>, now: Instant) {
        self.due_at = next_due.and_then(|wait| now.checked_add(wait));
    }

    /// Due events were moved, and the database says how long it is until the next one.
    pub(crate) fn moved(&mut self, events: usize, next_due: Option<Duration>, now: Instant) {
        let wait = if events == 0 { next_due.map(|wait| wait.max(PAUSE)) } else { next_due };
        self.told(wait, now);
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }
}
