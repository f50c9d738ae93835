//! What to send next: pure, without I/O or time.
//!
//! Keys run side by side, each with at most one event on its way. Two of one key on their way at once
//! could change places: the broker may refuse the first and take the second.

use std::collections::{HashMap, VecDeque};

/// Hands out a chunk of events, by their index, in an order that keeps each key's.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Events of keys that have none on its way.
    ready: VecDeque<usize>,
    /// For each event the next one of its key.
    next_of_key: Vec<Option<usize>>,
    on_their_way: usize,
    window: usize,
}

impl Schedule {
    /// A schedule for events with these keys, in the order of the log, at most `window` on their way.
    pub(crate) fn new<'a>(keys: impl Iterator<Item = &'a str>, window: usize) -> Self {
        let mut last_of_key: HashMap<&str, usize> = HashMap::new();
        let mut next_of_key = Vec::new();
        let mut ready = VecDeque::new();
        for (index, key) in keys.enumerate() {
            next_of_key.push(None);
            match last_of_key.insert(key, index).and_then(|before| next_of_key.get_mut(before)) {
                Some(next) => *next = Some(index),
                None => ready.push_back(index),
            }
        }
        Self { ready, next_of_key, on_their_way: 0, window }
    }

    /// The next event to send, or `None` when nothing may be sent until something is confirmed.
    pub(crate) fn next(&mut self) -> Option<usize> {
        if self.on_their_way >= self.window {
            return None;
        }
        let index = self.ready.pop_front()?;
        self.on_their_way += 1;
        Some(index)
    }

    /// An event arrived: the next of its key may go.
    pub(crate) fn confirmed(&mut self, index: usize) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        self.ready.extend(self.next_of_key.get(index).copied().flatten());
    }

    /// An event did not arrive, or nobody knows: the rest of its key waits for a later chunk.
    pub(crate) fn failed(&mut self) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// What the broker does with an event, and which of those on their way it answers first.
    fn answers() -> impl Strategy<Value = Vec<(bool, prop::sample::Index)>> {
        prop::collection::vec((prop::bool::weighted(0.8), any::<prop::sample::Index>()), 200)
    }

    proptest! {
        #[test]
        fn each_key_is_sent_in_order_one_at_a_time_and_stops_at_its_first_failure(
            keys in prop::collection::vec(0_u8..12, 0..200),
            window in 1_usize..40,
            answers in answers(),
        ) {
            let names: Vec<String> = keys.iter().map(u8::to_string).collect();
            let mut schedule = Schedule::new(names.iter().map(String::as_str), window);
            let mut on_their_way: Vec<usize> = Vec::new();
            let mut sent: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
            let mut failed: BTreeSet<u8> = BTreeSet::new();
            let mut answers = answers.into_iter().cycle();
            loop {
                while let Some(index) = schedule.next() {
                    let key = keys[index];
                    prop_assert!(!failed.contains(&key), "a key went on after a failure");
                    prop_assert!(on_their_way.iter().all(|&other| keys[other] != key), "two of one key");
                    on_their_way.push(index);
                    prop_assert!(on_their_way.len() <= window);
                    sent.entry(key).or_default().push(index);
                }
                if on_their_way.is_empty() {
                    break;
                }
                let Some((arrived, which)) = answers.next() else { break };
                let index = on_their_way.swap_remove(which.index(on_their_way.len()));
                if arrived {
                    schedule.confirmed(index);
                } else {
                    failed.insert(keys[index]);
                    schedule.failed();
                }
            }
            for (key, indexes) in &sent {
                let all: Vec<usize> = (0..keys.len()).filter(|&index| keys[index] == *key).collect();
                prop_assert_eq!(indexes.as_slice(), &all[..indexes.len()], "out of order, or a gap");
                prop_assert!(failed.contains(key) || indexes.len() == all.len(), "something was left behind");
            }
        }
    }
}
