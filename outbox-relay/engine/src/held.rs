//! Event types that the broker does not take now.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::timing::BackOff;

/// The most types that are remembered. The others are found anew.
const LIMIT: usize = 1_000;

/// After so long with nothing but nacks the channel may be the reason and not the queue: one of RabbitMQ 3.10 that was
/// opened before a queue had its next leader goes on asking the dead one. Doubled with each new channel that changes
/// nothing.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(5);

/// The longest of these.
const LONGEST_CHANNEL_PATIENCE: Duration = Duration::from_mins(5);

/// Why events of a type wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A queue of the type is full, or has no leader: the type is tried again.
    Nacked,
    /// The relay may not publish the type: one event at a time is tried, over a channel that it may close.
    Forbidden,
}

/// One type that is held back.
struct HeldType {
    hold: Hold,
    since: Instant,
    back_off: BackOff,
    pause_until: Instant,
    /// The events that were sent since the type is held back.
    in_flight: HashSet<Uuid>,
    /// One after a failure, doubled by each confirmation.
    max_in_flight: usize,
    channel_patience: Duration,
    /// When another channel is worth a try.
    other_channel_at: Instant,
}

/// The types that are held back. Each has a back-off of its own, so that other types do not wait.
pub(crate) struct HeldTypes {
    types: BTreeMap<String, HeldType>,
    limit: usize,
    seed: u64,
}

impl HeldTypes {
    /// `limit` is the number of events in flight at which a type is no longer held back.
    pub(crate) fn new(limit: usize, seed: u64) -> Self {
        Self { types: BTreeMap::new(), limit, seed }
    }

    /// Holds a type back, or goes on doing so: it was refused again. Failures that come together are one. Returns a
    /// type that is forgotten for it.
    pub(crate) fn hold(&mut self, event_type: &str, why: Hold, now: Instant) -> Option<String> {
        let mut forgotten = None;
        if !self.types.contains_key(event_type) {
            if self.types.len() >= LIMIT {
                forgotten = self.types.pop_first().map(|(event_type, _)| event_type);
            }
            let held = HeldType {
                hold: why,
                since: now,
                back_off: BackOff::new(self.seed),
                pause_until: now,
                in_flight: HashSet::new(),
                max_in_flight: 1,
                channel_patience: CHANNEL_PATIENCE,
                other_channel_at: now + CHANNEL_PATIENCE,
            };
            self.types.insert(event_type.to_owned(), held);
        }
        if let Some(held) = self.types.get_mut(event_type) {
            held.hold = why;
            held.max_in_flight = 1;
            if held.pause_until <= now {
                held.pause_until = held.back_off.next(now);
            }
        }
        forgotten
    }

    /// Whether another channel is to be tried, because this type is nacked for long.
    pub(crate) fn wants_other_channel(&mut self, event_type: &str, now: Instant) -> bool {
        let Some(held) = self.types.get_mut(event_type) else { return false };
        if held.hold != Hold::Nacked || now < held.other_channel_at {
            return false;
        }
        held.channel_patience = (held.channel_patience * 2).min(LONGEST_CHANNEL_PATIENCE);
        held.other_channel_at = now + held.channel_patience;
        true
    }

    pub(crate) fn get(&self, event_type: &str) -> Option<Hold> {
        Some(self.types.get(event_type)?.hold)
    }

    /// The types of which an event may be sent now.
    pub(crate) fn due(&self, hold: Hold, now: Instant) -> impl Iterator<Item = &str> {
        self.types.iter().filter_map(move |(event_type, held)| {
            let is_due =
                held.hold == hold && held.pause_until <= now && held.in_flight.len() < held.max_in_flight;
            is_due.then_some(event_type.as_str())
        })
    }

    /// An event of a held type is sent.
    pub(crate) fn sent(&mut self, event_type: &str, id: Uuid) {
        if let Some(held) = self.types.get_mut(event_type) {
            held.in_flight.insert(id);
        }
    }

    /// The outcome of an event is known. Returns `true` if the type is no longer held back: it was published, and
    /// either was forbidden or none of it waits or it flows as fast as it may.
    pub(crate) fn answered(&mut self, event_type: &str, id: Uuid, is_published: bool, waits: bool) -> bool {
        let Some(held) = self.types.get_mut(event_type) else { return false };
        // What was sent before the type was held back proves nothing.
        if !held.in_flight.remove(&id) || !is_published {
            return false;
        }
        held.back_off.reset();
        held.max_in_flight *= 2;
        let is_over = held.hold == Hold::Forbidden || !waits || held.max_in_flight >= self.limit;
        if is_over {
            self.types.remove(event_type);
        }
        is_over
    }

    /// Nothing is in flight any more.
    pub(crate) fn connection_lost(&mut self) {
        for held in self.types.values_mut() {
            held.in_flight.clear();
        }
    }

    /// Forgets the full types of which nothing waits and nothing is in flight, and returns them. A forbidden type is
    /// remembered: its next event would close the channel.
    pub(crate) fn forget(&mut self, waits: impl Fn(&str) -> bool, now: Instant) -> Vec<String> {
        let is_over = |(event_type, held): (&String, &HeldType)| {
            let is_idle = held.hold == Hold::Nacked && held.pause_until <= now && held.in_flight.is_empty();
            (is_idle && !waits(event_type)).then(|| event_type.clone())
        };
        let forgotten: Vec<String> = self.types.iter().filter_map(is_over).collect();
        for event_type in &forgotten {
            self.types.remove(event_type);
        }
        forgotten
    }

    pub(crate) fn next_pause_end(&self, now: Instant) -> Option<Instant> {
        self.types.values().map(|held| held.pause_until).filter(|until| *until > now).min()
    }

    /// The types, why each is held back, and since when.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, Hold, Instant)> {
        self.types.iter().map(|(event_type, held)| (event_type.as_str(), held.hold, held.since))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_nacked_for_long_gets_other_channels_less_and_less_often() {
        let (mut held, start) = (HeldTypes::new(1_000, 1), Instant::now());
        let mut asked = Vec::new();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            held.hold("full", Hold::Nacked, now);
            held.hold("forbidden", Hold::Forbidden, now);
            asked.extend(held.wants_other_channel("full", now).then_some(second));
            assert!(!held.wants_other_channel("forbidden", now) && !held.wants_other_channel("fine", now));
        }
        assert_eq!(asked, [5, 15, 35, 75]);
    }
}
