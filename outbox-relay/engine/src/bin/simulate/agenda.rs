//! The planned happenings of a schedule, in virtual microseconds.

use std::collections::BTreeMap;

/// Plans by time; plans for the same moment are in the order in which they were made.
pub(crate) struct Agenda<T> {
    plans: BTreeMap<(u64, u64), T>,
    planned: u64,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self { plans: BTreeMap::new(), planned: 0 }
    }

    pub(crate) fn plan(&mut self, at: u64, plan: T) {
        self.planned += 1;
        self.plans.insert((at, self.planned), plan);
    }

    /// Takes the earliest plan, with its time.
    pub(crate) fn next(&mut self) -> Option<(u64, T)> {
        self.plans.pop_first().map(|((at, _), plan)| (at, plan))
    }
}
