//! Scheduled events: writers schedule them, relays move them into the log.

use std::time::Duration;

use crate::{
    database::{Database, Poison, TYPES},
    flaw::Flaw,
    relay::Input,
    world::{MS, SECOND, World},
};

/// The most events that are moved at once.
const MOVED_AT_ONCE: usize = 2;

/// An event that is to be announced later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scheduled {
    due: u64,
    number: u64,
}

impl Database {
    /// How long it is until the next scheduled event.
    pub(crate) fn next_due(&self, now: u64) -> Option<Duration> {
        let due = self.scheduled.iter().map(|scheduled| scheduled.due).min();
        let due = due.filter(|_| self.flaw != Some(Flaw::ForgetsScheduled))?;
        Some(Duration::from_micros(due.saturating_sub(now)))
    }

    /// Moves some due events into the log, in the order of their times. Returns them.
    fn move_due(&mut self, now: u64) -> Vec<Scheduled> {
        let early = if self.flaw == Some(Flaw::MovesEarly) { SECOND } else { 0 };
        let mut due: Vec<Scheduled> =
            self.scheduled.extract_if(.., |scheduled| scheduled.due <= now + early).collect();
        due.sort_by_key(|scheduled| scheduled.due);
        self.scheduled.extend(due.split_off(due.len().min(MOVED_AT_ONCE)));
        // Their key is one that no other writer uses: it is never locked.
        let key = self.of_key.len() - 1;
        for _ in &due {
            if let Some(index) = self.append(key, TYPES[0], Poison::None) {
                self.end(index, true, now);
            }
        }
        if self.flaw == Some(Flaw::MovesTwice) {
            self.scheduled.extend(due.iter().filter(|scheduled| scheduled.number.is_multiple_of(2)));
        }
        due
    }
}

impl World {
    /// A writer schedules an event.
    pub(crate) fn schedule(&mut self) {
        let (due, number) = (self.now + self.rng.u64(MS..5 * SECOND), self.number());
        self.database.scheduled.push(Scheduled { due, number });
        // It may be the last thing that happens.
        self.last_fault = self.last_fault.max(due);
    }

    /// A relay has due events moved.
    pub(crate) fn move_due(&mut self, relay: usize) -> Input {
        let moved = self.database.move_due(self.now);
        for scheduled in &moved {
            self.note(|| format!("relay {relay} moves scheduled event {} into the log", scheduled.number));
            if scheduled.due > self.now {
                self.oracle.violated(format!("scheduled event {} was announced early", scheduled.number));
            }
            if !self.moved.insert(scheduled.number) {
                self.oracle.violated(format!("scheduled event {} was announced twice", scheduled.number));
            }
        }
        Input::MovedDue(moved.len(), self.database.next_due(self.now))
    }
}
