//! Marking events in the log: published, or failed.

use std::time::Instant;

use uuid::Uuid;

use super::Backlog;
use crate::poll::Pending;

impl<E: Pending> Backlog<E> {
    /// Takes the next events to mark failed, at most `limit`, until [`marked_failed`](Self::marked_failed) or
    /// [`cut_off`](Self::cut_off).
    pub(crate) fn mark_failed(&mut self, limit: usize) -> &[(Uuid, String)] {
        self.marking_failed = self.failed.drain(..limit.min(self.failed.len())).collect();
        &self.marking_failed
    }

    /// The failed events are marked. The log decides which events of their keys are pending from now on.
    pub(crate) fn marked_failed(&mut self) -> Vec<Uuid> {
        let marked: Vec<Uuid> =
            std::mem::take(&mut self.marking_failed).into_iter().map(|(id, _)| id).collect();
        for id in &marked {
            self.known.remove(id);
            self.forget_key_of(*id);
        }
        marked
    }

    /// Takes all confirmed events, until [`marked`](Self::marked) or [`cut_off`](Self::cut_off).
    pub(crate) fn mark(&mut self) -> Vec<Uuid> {
        self.confirmed_since = None;
        self.marking = std::mem::take(&mut self.confirmed);
        self.marking.clone()
    }

    /// The events are marked published. Returns their number.
    pub(crate) fn marked(&mut self) -> usize {
        let marked = std::mem::take(&mut self.marking);
        for id in &marked {
            self.known.remove(id);
        }
        marked.len()
    }

    /// The outcome of the last statement is unknown. Confirmed events are marked again, which does no harm.
    /// Failed events are read again, since an operator may have repaired them. The caller forgets the unsent
    /// events as well.
    pub(crate) fn cut_off(&mut self, now: Instant) {
        self.confirmed.append(&mut self.marking);
        if !self.confirmed.is_empty() {
            self.confirmed_since.get_or_insert(now);
        }
        self.forget_failed();
    }

    /// Forgets the failed events that are not marked: they are read again.
    pub(crate) fn forget_failed(&mut self) {
        self.failed.clear();
        self.marking_failed.clear();
    }
}
