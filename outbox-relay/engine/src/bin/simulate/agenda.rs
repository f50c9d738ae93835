//! What happens when, in virtual microseconds.

use std::{cmp::Reverse, collections::BinaryHeap};

/// What is still to happen, the earliest first; what happens at the same moment, in the order it was planned.
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    plans: Vec<Option<T>>,
    free: Vec<usize>,
    planned: u64,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), plans: Vec::new(), free: Vec::new(), planned: 0 }
    }

    pub(crate) fn plan(&mut self, at: u64, what: T) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.plans.push(None);
            self.plans.len() - 1
        });
        if let Some(plan) = self.plans.get_mut(slot) {
            *plan = Some(what);
        }
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, slot)));
    }

    pub(crate) fn next(&mut self) -> Option<(u64, T)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        Some((at, self.plans.get_mut(slot)?.take()?))
    }
}
