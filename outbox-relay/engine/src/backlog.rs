//! The events that the relay has read and not yet marked.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

use uuid::Uuid;

use crate::{Pending, Refusal};

/// Hands events out so that each key's go one after the other, and keys go side by side.
///
/// Two events of a key on their way at once could change places: the broker may refuse the first and
/// take the second.
pub struct Backlog<E> {
    /// Where everything is that was read and not marked yet.
    known: HashMap<Uuid, i64>,
    /// What is not confirmed.
    events: HashMap<Uuid, E>,
    /// Events of keys that have none on its way.
    ready: VecDeque<Uuid>,
    /// For each key with an event that is ready, on its way or to be parked: those behind it.
    behind: HashMap<String, VecDeque<Uuid>>,
    sent: HashSet<Uuid>,
    confirmed: Vec<Uuid>,
    confirmed_since: Option<Instant>,
    marking: Vec<Uuid>,
    impossible: VecDeque<(Uuid, String)>,
    parking: Option<(Uuid, String)>,
    bytes: usize,
    /// A key whose event was the only one on its way when the connection was lost.
    suspect: Option<String>,
}

impl<E> Default for Backlog<E> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            events: HashMap::new(),
            ready: VecDeque::new(),
            behind: HashMap::new(),
            sent: HashSet::new(),
            confirmed: Vec::new(),
            confirmed_since: None,
            marking: Vec::new(),
            impossible: VecDeque::new(),
            parking: None,
            bytes: 0,
            suspect: None,
        }
    }
}

impl<E: Pending> Backlog<E> {
    /// An event that is to be sent or is on its way.
    pub fn event(&self, id: Uuid) -> Option<&E> {
        self.events.get(&id)
    }

    /// Adds an event behind those of its key. One that is known already changes nothing.
    pub fn add(&mut self, event: E) {
        let id = event.id();
        if self.known.contains_key(&id) {
            return;
        }
        self.known.insert(id, event.position());
        self.bytes += event.size();
        if let Some(behind) = self.behind.get_mut(event.key()) {
            behind.push_back(id);
        } else {
            self.behind.insert(event.key().to_owned(), VecDeque::new());
            self.ready.push_back(id);
        }
        self.events.insert(id, event);
    }

    /// The next event to send, from now on on its way. One that may be what ends the connection goes alone
    /// and when no other key has anything to send: other keys flow.
    pub fn take(&mut self) -> Option<Uuid> {
        let is_suspect = |id: &Uuid| {
            self.suspect.is_some() && self.suspect.as_deref() == self.events.get(id).map(Pending::key)
        };
        let innocent = self.ready.iter().position(|id| !is_suspect(id));
        let index = innocent.or_else(|| self.sent.is_empty().then_some(0))?;
        let id = self.ready.remove(index)?;
        self.sent.insert(id);
        Some(id)
    }

    /// The broker has it: the next of its key may go.
    pub fn confirmed(&mut self, id: Uuid, now: Instant) {
        if !self.sent.remove(&id) {
            return;
        }
        self.confirmed.push(id);
        self.confirmed_since.get_or_insert(now);
        let Some(event) = self.forget_event(id) else { return };
        self.suspect.take_if(|key| key == event.key());
        match self.behind.get_mut(event.key()).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => drop(self.behind.remove(event.key())),
        }
    }

    /// It did not arrive, or nobody knows: it and those behind it will be read again. Returns its place.
    pub(crate) fn failed(&mut self, id: Uuid, refusal: Refusal) -> Option<i64> {
        if !self.sent.remove(&id) {
            return None;
        }
        if refusal == Refusal::Disconnected && self.sent.is_empty() {
            self.suspect = self.events.get(&id).map(|event| event.key().to_owned());
        }
        let position = self.known.remove(&id);
        self.forget_key_of(id);
        position
    }

    /// It can never be sent as it is: its key waits, first here and then in the log.
    pub(crate) fn impossible(&mut self, id: Uuid, reason: String) {
        if self.sent.remove(&id) {
            self.impossible.push_back((id, reason));
        }
    }

    /// The next event to park, until [`parked`](Self::parked) or [`cut_off`](Self::cut_off).
    pub(crate) fn park(&mut self) -> Option<(Uuid, String)> {
        self.parking = self.impossible.pop_front();
        self.parking.clone()
    }

    /// The log has been told, and says which of the key's events are pending from now on.
    pub(crate) fn parked(&mut self) -> Option<Uuid> {
        let (id, _) = self.parking.take()?;
        self.known.remove(&id);
        self.forget_key_of(id);
        Some(id)
    }

    /// Everything that is confirmed, until [`marked`](Self::marked) or [`cut_off`](Self::cut_off).
    pub(crate) fn mark(&mut self) -> Vec<Uuid> {
        self.confirmed_since = None;
        self.marking = std::mem::take(&mut self.confirmed);
        self.marking.clone()
    }

    /// The log knows what was confirmed.
    pub(crate) fn marked(&mut self) -> usize {
        let marked = std::mem::take(&mut self.marking);
        for id in &marked {
            self.known.remove(id);
        }
        marked.len()
    }

    /// Nobody knows what the log was told last. What was confirmed is told again, which does no harm; what
    /// was to be parked is read again, since an operator may have repaired it meanwhile. Whoever says so
    /// forgets the unsent as well.
    pub(crate) fn cut_off(&mut self, now: Instant) {
        self.confirmed.append(&mut self.marking);
        if !self.confirmed.is_empty() {
            self.confirmed_since.get_or_insert(now);
        }
        self.forget_impossible();
    }

    /// Forgets what can never be sent and was not parked: it will be read again.
    pub(crate) fn forget_impossible(&mut self) {
        self.impossible.clear();
        self.parking = None;
    }

    /// Forgets what was read and not sent: it will be read again. Returns the lowest place of it.
    pub(crate) fn forget_unsent(&mut self) -> Option<i64> {
        self.ready.clear();
        let kept: HashSet<Uuid> = self.sent.iter().chain(self.undeliverable()).copied().collect();
        let forgotten: Vec<Uuid> = self.events.keys().filter(|id| !kept.contains(*id)).copied().collect();
        let mut lowest = None;
        for id in forgotten {
            let position = self.known.remove(&id);
            lowest = lowest.into_iter().chain(position).min();
            self.forget_event(id);
        }
        let keys = kept.iter().filter_map(|id| Some(self.events.get(id)?.key().to_owned()));
        self.behind = keys.map(|key| (key, VecDeque::new())).collect();
        lowest
    }

    fn undeliverable(&self) -> impl Iterator<Item = &Uuid> {
        self.impossible.iter().chain(&self.parking).map(|(id, _)| id)
    }

    fn forget_event(&mut self, id: Uuid) -> Option<E> {
        let event = self.events.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(event.size());
        Some(event)
    }

    /// Forgets an event and those behind it.
    fn forget_key_of(&mut self, id: Uuid) {
        let Some(event) = self.forget_event(id) else { return };
        for behind in self.behind.remove(event.key()).unwrap_or_default() {
            self.known.remove(&behind);
            self.forget_event(behind);
        }
    }

    /// How many events are on their way.
    pub fn on_their_way(&self) -> usize {
        self.sent.len()
    }

    /// How many events were read and not sent.
    pub(crate) fn unsent(&self) -> usize {
        self.events.len().saturating_sub(self.sent.len())
    }

    /// The memory that the events take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn confirmed_count(&self) -> usize {
        self.confirmed.len()
    }

    /// Since when something confirmed waits to be marked.
    pub(crate) fn confirmed_since(&self) -> Option<Instant> {
        self.confirmed_since
    }

    pub(crate) fn has_impossible(&self) -> bool {
        !self.impossible.is_empty()
    }

    /// Nothing is on its way, neither to the broker nor to the log.
    pub(crate) fn is_settled(&self) -> bool {
        self.sent.is_empty()
            && self.confirmed.is_empty()
            && self.marking.is_empty()
            && self.undeliverable().next().is_none()
    }

    /// The places after `position` of what is known.
    pub(crate) fn known_after(&self, position: i64) -> Vec<i64> {
        self.known.values().copied().filter(|known| *known > position).collect()
    }
}

#[cfg(test)]
mod tests;
