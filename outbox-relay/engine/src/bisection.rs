//! Finding the event that made the broker close a channel, by bisection: the broker does not say which one it was.
//!
//! The events that were in flight are sent again in groups, over a channel of their own. A group that closes it is
//! halved, until the cause is alone: among a thousand events one is found in about twenty groups. Other events are not
//! held up.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

/// What an answer has shown of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not all of the group is answered.
    Open,
    /// It was taken, or was halved.
    Done,
    /// This event alone closed the channel.
    Found(Uuid),
}

/// Groups of events one of which is the cause, and the group that is under way.
#[derive(Default)]
pub(crate) struct Bisection {
    /// In flight on the shared channel when it was closed.
    collected: Vec<Uuid>,
    groups: Vec<Vec<Uuid>>,
    to_send: VecDeque<Uuid>,
    in_flight: HashSet<Uuid>,
    /// Those of the group that the end of the channel leaves: the cause is one of them.
    left: Vec<Uuid>,
    /// A part of the group was forgotten, so the group shows nothing.
    is_void: bool,
}

impl Bisection {
    /// Adds an event that was in flight on the shared channel when it was closed.
    pub(crate) fn add(&mut self, id: Uuid) {
        self.collected.push(id);
    }

    /// All outcomes of the shared channel are known: the added events are a group.
    pub(crate) fn close_group(&mut self) {
        if !self.collected.is_empty() {
            self.groups.push(std::mem::take(&mut self.collected));
        }
    }

    /// Whether no group is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.to_send.is_empty() && self.in_flight.is_empty()
    }

    /// An event is sent as a group of its own. Called while no group is under way.
    pub(crate) fn probe(&mut self, id: Uuid) {
        self.in_flight.insert(id);
    }

    /// The next event to send over the channel for groups.
    pub(crate) fn take(&mut self) -> Option<Uuid> {
        if self.is_idle() {
            self.to_send = self.groups.pop()?.into();
        }
        // A channel that is closed takes no more of the group.
        if !self.left.is_empty() {
            return None;
        }
        let id = self.to_send.pop_front()?;
        self.in_flight.insert(id);
        Some(id)
    }

    /// Whether an event is in flight on the channel for groups.
    pub(crate) fn is_in_flight(&self, id: Uuid) -> bool {
        self.in_flight.contains(&id)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// An event of the group was answered other than by the end of the channel.
    pub(crate) fn passed(&mut self, id: Uuid) -> Progress {
        self.in_flight.remove(&id);
        self.progress()
    }

    /// The channel was closed while this event was in flight on it.
    pub(crate) fn channel_closed(&mut self, id: Uuid) -> Progress {
        if self.in_flight.remove(&id) {
            self.left.push(id);
            self.left.extend(self.to_send.drain(..));
        }
        self.progress()
    }

    fn progress(&mut self) -> Progress {
        if !self.is_idle() {
            return Progress::Open;
        }
        let mut first = std::mem::take(&mut self.left);
        if std::mem::take(&mut self.is_void) {
            self.collected.append(&mut first);
            self.close_group();
            return Progress::Done;
        }
        if let [cause] = first[..] {
            return Progress::Found(cause);
        }
        let second = first.split_off(first.len() / 2);
        self.groups.extend([second, first].into_iter().filter(|group| !group.is_empty()));
        Progress::Done
    }

    /// The events that are not in flight are read again.
    pub(crate) fn forget_unsent(&mut self) {
        let in_flight = std::mem::take(&mut self.in_flight);
        *self = Self { is_void: !in_flight.is_empty(), in_flight, ..Self::default() };
    }

    /// The connection is lost: all of them are read again.
    pub(crate) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends groups until the cause is found. Returns it, and how many groups it took.
    fn search(events: u128, cause: u128) -> (Option<Uuid>, usize) {
        let mut bisection = Bisection::default();
        for id in 0..events {
            bisection.add(Uuid::from_u128(id));
        }
        bisection.close_group();
        for groups in 1.. {
            let group: Vec<Uuid> = std::iter::from_fn(|| bisection.take()).collect();
            if group.is_empty() {
                return (None, groups);
            }
            // The broker takes what comes before the cause, and may or may not have said so.
            for id in &group {
                let closes = group.contains(&Uuid::from_u128(cause));
                let progress = if closes { bisection.channel_closed(*id) } else { bisection.passed(*id) };
                if let Progress::Found(id) = progress {
                    return (Some(id), groups);
                }
            }
        }
        (None, 0)
    }

    #[test]
    fn one_event_of_a_thousand_is_found_in_about_twenty_groups() {
        for cause in [0, 1, 499, 500, 998, 999] {
            let (found, groups) = search(1_000, cause);
            assert_eq!(found, Some(Uuid::from_u128(cause)));
            assert!(groups <= 22, "{groups} groups");
        }
        assert_eq!(search(1_000, 2_000).0, None, "nothing is wrong with any of them");
    }
}
