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
//! 1. A poll saw position p. Every transaction that holds a position below p has its transaction number.
//! 2. The relay marks events published. The transaction of the mark starts later, so its number is higher.
//! 3. A later poll's snapshot has no open transaction below the mark's number. Every position up to p is now
//!    decided, and this poll sees all of them. The polls *after* this one may start at p.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// Full scans take at most one part in ten of a relay's time.
const SHARE: u32 = 10;

/// The longest time between two full scans. A requeued event may have to wait for one.
const LONGEST: Duration = Duration::from_secs(20);

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
}

impl HighWaterMark {
    /// `shortest` is the shortest time between two full scans.
    pub(crate) fn new(shortest: Duration) -> Self {
        Self {
            position: 0,
            seen: 0,
            candidate: None,
            marking: None,
            failed: HashSet::new(),
            full_scan_at: None,
            shortest,
        }
    }

    /// The position after which the next poll starts: 0 when a full scan is due.
    pub(crate) fn start(&self, now: Instant) -> i64 {
        if self.full_scan_at.is_none_or(|at| at <= now) { 0 } else { self.position }
    }

    /// Makes the next poll a full scan.
    pub(crate) fn reset(&mut self) {
        self.retreat(0);
        self.full_scan_at = None;
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

    /// A poll has ended. Returns `false` if its events must not be used, because an operator requeued an
    /// event below the position at which it started.
    #[must_use]
    pub(crate) fn polled(&mut self, poll: &Seen, now: Instant) -> bool {
        if poll.after == 0 {
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
        } else if let Some(failed) = &poll.failed
            && !self.failed.is_subset(failed)
        {
            self.failed.clone_from(failed);
            return false;
        }
        if let Some(failed) = &poll.failed {
            self.failed.clone_from(failed);
        }
        if let Some((position, transaction)) = self.candidate
            && poll.oldest_open >= transaction
            && (poll.is_complete || poll.highest >= position)
        {
            self.position = self.position.max(position);
            self.candidate = None;
        }
        self.seen = self.seen.max(poll.highest);
        true
    }
}

/// What the high-water mark needs to know of a poll.
pub(crate) struct Seen {
    /// The position after which it started.
    pub(crate) after: i64,
    pub(crate) started: Instant,
    /// The lowest position that it returned.
    pub(crate) lowest: Option<i64>,
    /// The highest position that it returned, or 0. All events visible below it are known now.
    pub(crate) highest: i64,
    /// Whether it returned every event that matched.
    pub(crate) is_complete: bool,
    /// The oldest transaction that was open in its snapshot.
    pub(crate) oldest_open: u64,
    /// The failed events of its partitions; `None` where it returned no event.
    pub(crate) failed: Option<HashSet<Uuid>>,
}
