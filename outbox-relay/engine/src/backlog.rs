//! The events that the relay has read and not yet marked.

mod aside;
mod marks;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

use uuid::Uuid;

use crate::poll::Pending;

/// Hands out events to send: the events of one key one after the other, different keys side by side.
///
/// Two events of a key in flight at once could change places: the broker may refuse the first and take the
/// second.
pub struct Backlog<E> {
    /// The positions of all events that were read and not marked yet.
    known: HashMap<Uuid, i64>,
    /// The events that are not confirmed.
    events: HashMap<Uuid, E>,
    /// Events to send: no other event of their key is in flight.
    ready: VecDeque<Uuid>,
    /// The same for each type that is held back.
    held: HashMap<String, VecDeque<Uuid>>,
    /// The keys with an event that is ready, in flight, set aside or failed.
    keys: HashMap<String, Key>,
    in_flight: HashSet<Uuid>,
    confirmed: Vec<Uuid>,
    confirmed_since: Option<Instant>,
    marking: Vec<Uuid>,
    failed: VecDeque<(Uuid, String)>,
    marking_failed: Vec<(Uuid, String)>,
    bytes: usize,
    /// The events that wait because their type is held back or because they are bisected, with those behind them.
    aside: usize,
    aside_bytes: usize,
    /// The key whose event was alone in flight when the connection was lost: it may be the cause.
    quarantined: Option<String>,
}

/// The events of a key behind its first one.
#[derive(Default)]
struct Key {
    behind: VecDeque<Uuid>,
    /// Whether the first one is set aside.
    is_aside: bool,
}

impl<E> Default for Backlog<E> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            events: HashMap::new(),
            ready: VecDeque::new(),
            held: HashMap::new(),
            keys: HashMap::new(),
            in_flight: HashSet::new(),
            confirmed: Vec::new(),
            confirmed_since: None,
            marking: Vec::new(),
            failed: VecDeque::new(),
            marking_failed: Vec::new(),
            bytes: 0,
            aside: 0,
            aside_bytes: 0,
            quarantined: None,
        }
    }
}

impl<E: Pending> Backlog<E> {
    /// An event that is to be sent or is in flight.
    pub fn event(&self, id: Uuid) -> Option<&E> {
        self.events.get(&id)
    }

    /// Adds an event behind those of its key. A known event is ignored.
    pub fn add(&mut self, event: E) {
        let id = event.id();
        if self.known.contains_key(&id) {
            return;
        }
        self.known.insert(id, event.position());
        self.bytes += event.size();
        if let Some(key) = self.keys.get_mut(event.key()) {
            key.behind.push_back(id);
            if key.is_aside {
                self.aside += 1;
                self.aside_bytes += event.size();
            }
            self.events.insert(id, event);
        } else {
            self.keys.insert(event.key().to_owned(), Key::default());
            self.events.insert(id, event);
            self.make_ready(id, VecDeque::push_back);
        }
    }

    /// Puts the first event of its key among those to send.
    fn make_ready(&mut self, id: Uuid, push: fn(&mut VecDeque<Uuid>, Uuid)) {
        let held = self.events.get(&id).and_then(|event| self.held.get_mut(event.event_type()));
        if let Some(held) = held {
            push(held, id);
            self.set_aside(id, true);
        } else {
            push(&mut self.ready, id);
            self.set_aside(id, false);
        }
    }

    /// Takes the next event to send. It is in flight from now on.
    ///
    /// An event of the quarantined key goes alone, and only when no other key has an event to send.
    pub fn take(&mut self) -> Option<Uuid> {
        let is_quarantined = |id: &Uuid| {
            self.quarantined.is_some() && self.quarantined.as_deref() == self.events.get(id).map(Pending::key)
        };
        let other = self.ready.iter().position(|id| !is_quarantined(id));
        let index = other.or_else(|| self.in_flight.is_empty().then_some(0))?;
        let id = self.ready.remove(index)?;
        self.in_flight.insert(id);
        Some(id)
    }

    /// The broker has confirmed an event: the next one of its key may go.
    pub fn confirmed(&mut self, id: Uuid, now: Instant) {
        if !self.in_flight.remove(&id) {
            return;
        }
        self.confirmed.push(id);
        self.confirmed_since.get_or_insert(now);
        let Some(event) = self.forget_event(id) else { return };
        self.quarantined.take_if(|key| key == event.key());
        match self.keys.get_mut(event.key()).and_then(|key| key.behind.pop_front()) {
            Some(next) => self.make_ready(next, VecDeque::push_back),
            None => drop(self.keys.remove(event.key())),
        }
    }

    /// An event in flight was not taken, and is to be sent again.
    pub(crate) fn put_back(&mut self, id: Uuid) {
        if self.in_flight.remove(&id) {
            self.make_ready(id, VecDeque::push_front);
        }
    }

    /// Whether an event of this type is in flight.
    pub(crate) fn is_type_in_flight(&self, event_type: &str) -> bool {
        let in_flight = self.in_flight.iter().filter_map(|id| self.events.get(id));
        in_flight.into_iter().any(|event| event.event_type() == event_type)
    }

    /// The connection was lost while this event was in flight. If it was the only one, its key is quarantined.
    pub(crate) fn unknown(&mut self, id: Uuid) -> Option<i64> {
        if self.in_flight.len() == 1 && self.in_flight.contains(&id) {
            self.quarantined = self.events.get(&id).map(|event| event.key().to_owned());
        }
        self.read_again(id)
    }

    /// An event did not arrive: it and the events behind it are to be read again. Returns its position.
    pub(crate) fn read_again(&mut self, id: Uuid) -> Option<i64> {
        if !self.in_flight.remove(&id) {
            return None;
        }
        let position = self.known.remove(&id);
        self.forget_key_of(id);
        position
    }

    /// An event can never be sent as it is: its key is blocked, first here and then in the log.
    pub(crate) fn failed(&mut self, id: Uuid, reason: String) {
        if self.in_flight.remove(&id) {
            self.failed.push_back((id, reason));
        }
    }

    /// Forgets the events that were not sent: they are read again. Returns their lowest position.
    pub(crate) fn forget_unsent(&mut self) -> Option<i64> {
        self.ready.clear();
        self.held.values_mut().for_each(VecDeque::clear);
        (self.aside, self.aside_bytes) = (0, 0);
        let kept: HashSet<Uuid> = self.in_flight.iter().chain(self.all_failed()).copied().collect();
        let forgotten: Vec<Uuid> = self.events.keys().filter(|id| !kept.contains(*id)).copied().collect();
        let mut lowest = None;
        for id in forgotten {
            let position = self.known.remove(&id);
            lowest = lowest.into_iter().chain(position).min();
            self.forget_event(id);
        }
        let keys = kept.iter().filter_map(|id| Some(self.events.get(id)?.key().to_owned()));
        self.keys = keys.map(|key| (key, Key::default())).collect();
        lowest
    }

    fn all_failed(&self) -> impl Iterator<Item = &Uuid> {
        self.failed.iter().chain(&self.marking_failed).map(|(id, _)| id)
    }

    fn forget_event(&mut self, id: Uuid) -> Option<E> {
        let event = self.events.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(event.size());
        Some(event)
    }

    /// Forgets an event and the events behind it.
    fn forget_key_of(&mut self, id: Uuid) {
        let Some(event) = self.forget_event(id) else { return };
        for behind in self.keys.remove(event.key()).unwrap_or_default().behind {
            self.known.remove(&behind);
            self.forget_event(behind);
        }
    }

    /// The number of events in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The number of events that were read and not sent, without those that are set aside.
    pub(crate) fn unsent(&self) -> usize {
        self.events.len().saturating_sub(self.in_flight.len() + self.aside)
    }

    /// The memory that the events take, in bytes, without those that are set aside.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.saturating_sub(self.aside_bytes)
    }

    pub(crate) fn confirmed_count(&self) -> usize {
        self.confirmed.len()
    }

    /// Since when a confirmed event waits to be marked.
    pub(crate) fn confirmed_since(&self) -> Option<Instant> {
        self.confirmed_since
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Whether nothing is under way, neither to the broker nor to the log.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
            && self.confirmed.is_empty()
            && self.marking.is_empty()
            && self.all_failed().next().is_none()
    }

    /// The known positions above `position`.
    pub(crate) fn known_after(&self, position: i64) -> Vec<i64> {
        self.known.values().copied().filter(|known| *known > position).collect()
    }
}

#[cfg(test)]
mod tests;
