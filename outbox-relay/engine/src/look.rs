//! A look into the log, and what it found.

use std::{collections::HashSet, time::Instant};

use uuid::Uuid;

/// What to read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The partitions to read.
    pub partitions: Vec<i16>,
    /// Pending events behind this place.
    pub after: i64,
    /// Places to leave out: they are known already.
    pub known: Vec<i64>,
    /// How many events, at most.
    pub limit: usize,
    /// Bytes of events after which no further one is wanted.
    pub bytes: usize,
    pub(crate) began: Instant,
    pub(crate) generation: u64,
}

/// What a look found, all in one snapshot of the database.
#[derive(Debug, Clone)]
pub struct Found<E> {
    /// The look.
    pub look: Look,
    /// Pending events in the order of their places, without those of keys that wait behind a parked one.
    pub events: Vec<E>,
    /// The lowest number of a transaction that was still open, or else of the next one.
    pub oldest_open: u64,
    /// Events of these partitions that wait for an operator; `None` where no event was found.
    pub parked: Option<HashSet<Uuid>>,
}
