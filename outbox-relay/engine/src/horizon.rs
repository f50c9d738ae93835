//! From where on the log has to be looked through.
//!
//! Whatever was published leaves dead entries at the front of the index of pending events, and as long as
//! somebody holds an old snapshot nobody may remove them: a look that begins at the front costs more with
//! each event. So a look begins behind the *horizon*: a place up to which every event has been seen.
//!
//! The order of places is not the order of commits, so having seen place 20 says nothing about place 10:
//! its transaction may still be open, and once it commits, a later event of the same key must not be taken
//! for the first. What proves that there is nothing more to come: every transaction with a place below
//! some place that was *seen* began to write, and so has its number, before any transaction that starts
//! afterwards, and the relay's own mark is one. When a later look's snapshot has no open transaction older
//! than that mark, those places have been decided, and this look sees them. Only looks after it may skip
//! them.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// How much of a relay's time looks from the front of the log may take: one part in ten.
const SHARE: u32 = 10;

/// The longest time between two looks from the front, however long they take: what an operator put back in line
/// may have to wait for one.
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) struct Horizon {
    /// Looks begin after this place.
    position: i64,
    /// The highest place seen.
    seen: i64,
    /// A place, and the transaction that began after it was seen.
    candidate: Option<(i64, u64)>,
    /// The place that was the highest when the mark under way began.
    marking: Option<i64>,
    /// Events that wait for an operator, as far as known. One that is put back in line lies before the
    /// horizon, and must go before those behind it.
    parked: HashSet<Uuid>,
    sweep_at: Option<Instant>,
    shortest: Duration,
}

impl Horizon {
    pub(crate) fn new(shortest: Duration) -> Self {
        Self {
            position: 0,
            seen: 0,
            candidate: None,
            marking: None,
            parked: HashSet::new(),
            sweep_at: None,
            shortest,
        }
    }

    /// Where the next look begins. Now and then that is the front of the log, as a net under the rest.
    pub(crate) fn begin(&self, now: Instant) -> i64 {
        if self.sweep_at.is_none_or(|at| at <= now) { 0 } else { self.position }
    }

    /// What was known is forgotten: the next look begins at the front.
    pub(crate) fn reset(&mut self) {
        self.position = 0;
        self.seen = 0;
        self.candidate = None;
        self.marking = None;
        self.sweep_at = None;
    }

    /// Something behind this place is to be found again.
    pub(crate) fn retreat(&mut self, position: i64) {
        self.position = self.position.min(position);
        self.seen = self.position;
        self.candidate = None;
        self.marking = None;
    }

    /// A mark begins.
    pub(crate) fn marks(&mut self) {
        self.marking = Some(self.seen);
    }

    /// The mark's transaction had this number.
    pub(crate) fn marked(&mut self, transaction: u64) {
        if let Some(seen) = self.marking.take()
            && self.candidate.is_none()
            && seen > self.position
        {
            self.candidate = Some((seen, transaction));
        }
    }

    /// Notes an event that this relay has parked.
    pub(crate) fn parks(&mut self, id: Uuid) {
        self.parked.insert(id);
    }

    /// A look has ended. `false` if an operator put a parked event back in line meanwhile, so that what it
    /// found must not be used.
    #[must_use]
    pub(crate) fn looked(&mut self, look: &Seen, now: Instant) -> bool {
        if look.after == 0 {
            let cost = now.saturating_duration_since(look.began);
            let pause = (cost * SHARE).clamp(self.shortest, LONGEST.max(self.shortest));
            self.sweep_at = Some(now + pause);
            // Before the horizon there was something after all: an operator let it go, and there may be more
            // of it than this look could bring.
            if look.lowest.is_some_and(|lowest| lowest <= self.position) {
                self.position = 0;
                self.seen = 0;
                self.candidate = None;
            }
        } else if let Some(parked) = &look.parked
            && !self.parked.is_subset(parked)
        {
            self.parked.clone_from(parked);
            return false;
        }
        if let Some(parked) = &look.parked {
            self.parked.clone_from(parked);
        }
        if let Some((position, transaction)) = self.candidate
            && look.oldest_open >= transaction
            && (look.is_complete || look.highest >= position)
        {
            self.position = self.position.max(position);
            self.candidate = None;
        }
        self.seen = self.seen.max(look.highest);
        true
    }
}

/// What a look tells the horizon.
pub(crate) struct Seen {
    /// The place behind which it began.
    pub(crate) after: i64,
    pub(crate) began: Instant,
    /// The lowest place that it found.
    pub(crate) lowest: Option<i64>,
    /// The highest place that it found, or 0. All that was visible before it is known now.
    pub(crate) highest: i64,
    /// Whether it found all that there was.
    pub(crate) is_complete: bool,
    /// The oldest transaction that was open in its snapshot.
    pub(crate) oldest_open: u64,
    /// The events that waited for an operator at the look; `None` if it found no row to say so.
    pub(crate) parked: Option<HashSet<Uuid>>,
}
