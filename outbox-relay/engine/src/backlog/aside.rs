//! Events that wait aside: because their type is held back, or because they are bisected.

use std::collections::VecDeque;

use uuid::Uuid;

use super::Backlog;
use crate::poll::Pending;

impl<E: Pending> Backlog<E> {
    /// Counts the events of a key as set aside, or no longer.
    pub(super) fn set_aside(&mut self, id: Uuid, is_aside: bool) {
        let Some(event) = self.events.get(&id) else { return };
        let Some(key) = self.keys.get_mut(event.key()).filter(|key| key.is_aside != is_aside) else { return };
        key.is_aside = is_aside;
        let behind = key.behind.iter().filter_map(|id| self.events.get(id)).map(Pending::size);
        let (events, bytes) = (1 + key.behind.len(), event.size() + behind.sum::<usize>());
        if is_aside {
            self.aside += events;
            self.aside_bytes += bytes;
        } else {
            self.aside = self.aside.saturating_sub(events);
            self.aside_bytes = self.aside_bytes.saturating_sub(bytes);
        }
    }

    /// Holds a type back: its events wait for [`take_held`](Self::take_held).
    pub(crate) fn hold(&mut self, event_type: &str) {
        if self.held.contains_key(event_type) {
            return;
        }
        let is_held = |id: &Uuid| self.events.get(id).is_some_and(|event| event.event_type() == event_type);
        let (held, ready) = std::mem::take(&mut self.ready).into_iter().partition(is_held);
        self.ready = ready;
        for id in &held {
            self.set_aside(*id, true);
        }
        self.held.insert(event_type.to_owned(), held);
    }

    /// A type is no longer held back.
    pub(crate) fn release(&mut self, event_type: &str) {
        for id in self.held.remove(event_type).unwrap_or_default() {
            self.make_ready(id, VecDeque::push_back);
        }
    }

    /// Whether an event of this type waits because the type is held back.
    pub(crate) fn has_held(&self, event_type: &str) -> bool {
        self.held.get(event_type).is_some_and(|held| !held.is_empty())
    }

    /// How many events wait because this type is held back, with those of other types behind them.
    pub(crate) fn held_count(&self, event_type: &str) -> usize {
        let held = self.held.get(event_type).into_iter().flatten();
        let keys = held.filter_map(|id| self.keys.get(self.events.get(id)?.key()));
        keys.map(|key| 1 + key.behind.len()).sum()
    }

    /// Takes the next event of a type that is held back. It is in flight from now on.
    pub(crate) fn take_held(&mut self, event_type: &str) -> Option<Uuid> {
        let id = self.held.get_mut(event_type)?.pop_front()?;
        self.take_aside(id).then_some(id)
    }

    /// Takes an event that was put aside. Returns `false` if it is not there any more.
    pub(crate) fn take_aside(&mut self, id: Uuid) -> bool {
        self.set_aside(id, false);
        self.events.contains_key(&id) && self.in_flight.insert(id)
    }

    /// An event in flight was not taken, and waits for [`take_aside`](Self::take_aside).
    pub(crate) fn put_aside(&mut self, id: Uuid) {
        if self.in_flight.remove(&id) {
            self.set_aside(id, true);
        }
    }

    /// The events of a type that is held back have failed: those that are the first of their key.
    pub(crate) fn fail_held(&mut self, event_type: &str, reason: &str) {
        let held = self.held.get_mut(event_type).map(std::mem::take);
        for id in held.into_iter().flatten() {
            self.fail_aside(id, reason.to_owned());
        }
    }

    /// An event that was put aside has failed.
    pub(crate) fn fail_aside(&mut self, id: Uuid, reason: String) {
        if self.take_aside(id) {
            self.failed(id, reason);
        }
    }

    /// The number and the bytes of the events that are set aside.
    pub(crate) fn aside(&self) -> (usize, usize) {
        (self.aside, self.aside_bytes)
    }
}
