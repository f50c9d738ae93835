//! The position after which the next poll starts.
//!
//! Every published event leaves a dead entry at the front of the index of pending events. Vacuum cannot
//! remove these entries while an old snapshot is open, so a full scan gets more expensive with each event.
//! A poll therefore starts after the *high-water mark*: a position up to which every event has been seen.
//!
//! Positions are not in commit order. Having seen position 20 does not mean that position 10 is decided: its
//! transaction may still be open, and may commit an event that must go out before a later one of the same
//! key. The proof that a position is decided has three steps:
//!
//! 1. A poll saw position p. Every transaction that holds a position below p has its transaction number, because it
//!    locked the row of its key before it took the position.
//! 2. The relay marks events published. The transaction of the mark starts later, so its number is higher.
//! 3. A later poll's snapshot has no open transaction below the mark's number. Every position up to p is now
//!    decided, and this poll sees all of them. The polls *after* this one may start at p.
//!
//! A writer that locks no row (or only takes an advisory lock) is outside of step 1, for the microseconds between
//! taking its position and getting its number. If a poll passes its event, the next full scan finds it, within 20 s; a
//! later event of the key may be published before it.
//!
//! A relay that has just started has no such position. If there are so many dead entries that its full scan takes
//! too long, it reads one *range* of positions after the other, and halves the range each time that the database
//! gives up. A range is passed when the proof covers it; if there is nothing to mark, an empty mark gives the
//! number. So it gets through any number of dead entries, and keeps what it has passed.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// Full scans take at most one part in ten of a relay's time.
const SHARE: u32 = 10;

/// The longest time between two full scans. A requeued event may have to wait for one.
const LONGEST: Duration = Duration::from_secs(20);

/// A range that takes less than this is doubled.
const QUICK: Duration = Duration::from_millis(100);

pub(crate) struct HighWaterMark {
    /// Polls start after this position.
    position: i64,
    /// The highest position seen.
    seen: i64,
    /// A position, and the transaction that started after it was seen.
    candidate: Option<(i64, u64)>,
    /// The highest position seen when the mark under way started.
    marking: Option<i64>,
    /// The failed events, as far as known. A requeued one lies below the high-water mark, and must go before
    /// the events above it.
    failed: HashSet<Uuid>,
    full_scan_at: Option<Instant>,
    shortest: Duration,
    /// How many positions one poll reads, since one took too long.
    range: Option<i64>,
    first_range: i64,
    /// Where the full scan goes on.
    scanned: i64,
    /// The newest settled position, as far as known.
    head: Option<i64>,
}

/// What a poll reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    /// Positions above this one.
    pub(crate) after: i64,
    /// Positions up to this one.
    pub(crate) up_to: i64,
    /// Whether it is a full scan, or a part of one.
    pub(crate) is_scan: bool,
}

impl HighWaterMark {
    /// `shortest` is the shortest time between two full scans.
    pub(crate) fn new(shortest: Duration, first_range: i64) -> Self {
        Self {
            position: 0,
            seen: 0,
            candidate: None,
            marking: None,
            failed: HashSet::new(),
            full_scan_at: None,
            shortest,
            range: None,
            first_range,
            scanned: 0,
            head: None,
        }
    }

    /// What the next poll reads. When a full scan is due, it starts at 0 or goes on where it was.
    pub(crate) fn start(&self, now: Instant) -> Range {
        let is_scan = self.full_scan_at.is_none_or(|at| at <= now);
        let after = if is_scan { self.scanned } else { self.position };
        let up_to = self.range.map(|range| after.saturating_add(range));
        let up_to = up_to.filter(|up_to| self.head.is_none_or(|head| *up_to < head));
        Range { after, up_to: up_to.unwrap_or(i64::MAX), is_scan }
    }

    /// A poll took too long: the next one reads less. What is known stays known.
    pub(crate) fn timed_out(&mut self) {
        self.range = Some(self.range.map_or(self.first_range, |range| range / 2).max(1));
        // It may be far beyond by now.
        self.head = None;
    }

    /// Whether a mark is wanted although there is nothing to mark: its number is the proof for the next range.
    pub(crate) fn wants_mark(&self) -> bool {
        self.range.is_some()
            && self.candidate.is_none()
            && self.marking.is_none()
            && self.seen > self.position
    }

    /// Makes the next poll a full scan.
    pub(crate) fn reset(&mut self) {
        self.retreat(0);
        self.full_scan_at = None;
        self.scanned = 0;
    }

    /// Makes the next poll start at this position or before it.
    pub(crate) fn retreat(&mut self, position: i64) {
        self.position = self.position.min(position);
        self.seen = self.position;
        self.candidate = None;
        self.marking = None;
    }

    /// A mark starts.
    pub(crate) fn mark_started(&mut self) {
        self.marking = Some(self.seen);
    }

    /// The mark was done by the transaction with this number.
    pub(crate) fn marked(&mut self, transaction: u64) {
        if let Some(seen) = self.marking.take()
            && self.candidate.is_none()
            && seen > self.position
        {
            self.candidate = Some((seen, transaction));
        }
    }

    /// This relay has marked an event failed.
    pub(crate) fn marked_failed(&mut self, id: Uuid) {
        self.failed.insert(id);
    }

    /// A poll has ended. Returns `None` if its events must not be used, because an operator requeued an event below
    /// the position at which it started; otherwise whether the next range is to be read at once.
    #[must_use]
    pub(crate) fn polled(&mut self, poll: &Seen, now: Instant) -> Option<bool> {
        let is_complete_scan = poll.range.after == 0 && poll.range.up_to == i64::MAX;
        if !is_complete_scan && !self.failed.is_subset(&poll.failed) {
            self.failed.clone_from(&poll.failed);
            return None;
        }
        if poll.range.is_scan {
            let cost = now.saturating_duration_since(poll.started);
            let pause = (cost * SHARE).clamp(self.shortest, LONGEST.max(self.shortest));
            self.full_scan_at = Some(now + pause);
            // An operator has requeued an event below the high-water mark. There may be more of them than this
            // poll could return.
            if poll.lowest.is_some_and(|lowest| lowest <= self.position) {
                self.position = 0;
                self.seen = 0;
                self.candidate = None;
            }
        }
        self.failed.clone_from(&poll.failed);
        let (before, up_to) = (self.position, poll.range.up_to);
        // Everything up to here was read.
        let covered = if poll.is_complete { up_to } else { poll.highest };
        if let Some((position, transaction)) = self.candidate
            && poll.oldest_open >= transaction
            && poll.range.after <= self.position
        {
            self.position = self.position.max(position.min(covered));
            if covered >= position {
                self.candidate = None;
            }
        }
        self.head = self.head.max(Some(poll.head));
        let seen = if self.range.is_some() { poll.highest.max(poll.head) } else { poll.highest };
        self.seen = self.seen.max(seen);
        let is_last = up_to == i64::MAX;
        if poll.range.is_scan {
            // Above the high-water mark nothing is passed without a proof.
            self.scanned = if is_last || up_to >= self.position { 0 } else { up_to };
        }
        if !is_last && now.saturating_duration_since(poll.started) < QUICK {
            let range = self.range.map(|range| range.saturating_mul(2));
            self.range = range.filter(|range| *range < poll.head);
        }
        Some(!is_last && poll.is_complete && (self.position > before || self.wants_mark()))
    }
}

/// What the high-water mark needs to know of a poll.
pub(crate) struct Seen {
    pub(crate) range: Range,
    pub(crate) started: Instant,
    /// The lowest position that it returned.
    pub(crate) lowest: Option<i64>,
    /// The highest position that it returned, or 0. All events visible below it are known now.
    pub(crate) highest: i64,
    /// Whether it returned every event that matched.
    pub(crate) is_complete: bool,
    /// The oldest transaction that was open in its snapshot.
    pub(crate) oldest_open: u64,
    /// A position that was taken before.
    pub(crate) head: i64,
    /// The failed events of its partitions.
    pub(crate) failed: HashSet<Uuid>,
}
