//! When scheduled events have to be moved into the log.

use std::time::{Duration, Instant};

/// The pause after a try that moved nothing though something is due: another relay does it at this moment.
const PAUSE: Duration = Duration::from_millis(100);

/// The pause after the database has refused to move what is due: an operator has to see to it.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// The time of the next scheduled event, as far as the database has told it.
#[derive(Default)]
pub(crate) struct Schedule {
    due_at: Option<Instant>,
    /// No try before this moment, whatever is due.
    not_before: Option<Instant>,
}

impl Schedule {
    /// The database says how long it is until the next scheduled event; `None` if there is none.
    pub(crate) fn told(&mut self, next_due: Option<Duration>, now: Instant) {
        self.due_at = next_due.and_then(|wait| now.checked_add(wait));
    }

    /// Due events were moved, and the database says how long it is until the next one.
    pub(crate) fn moved(&mut self, events: usize, next_due: Option<Duration>, now: Instant) {
        let wait = if events == 0 { next_due.map(|wait| wait.max(PAUSE)) } else { next_due };
        self.not_before = None;
        self.told(wait, now);
    }

    /// The database has refused to move what is due.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.not_before = Some(now + PAUSE_AFTER_REFUSAL);
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }

    /// When to move what is due.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.due_at.map(|at| self.not_before.map_or(at, |earliest| at.max(earliest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_refusal_nothing_is_tried_for_five_seconds_whatever_polls_say() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.told(Some(Duration::ZERO), now);
        assert!(schedule.is_due(now));
        schedule.refused(now);
        schedule.told(Some(Duration::ZERO), now + Duration::from_secs(1));
        assert!(!schedule.is_due(now + Duration::from_millis(4_999)));
        assert!(schedule.is_due(now + PAUSE_AFTER_REFUSAL));
        schedule.moved(1, Some(Duration::ZERO), now + PAUSE_AFTER_REFUSAL);
        assert!(schedule.is_due(now + PAUSE_AFTER_REFUSAL), "once something was moved there is no pause");
    }
}
