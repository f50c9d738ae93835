//! A pending event, one read of the log, and its result.

use std::{collections::HashSet, time::Duration};

use uuid::Uuid;

/// What the engine needs to know of a pending event.
pub trait Pending {
    /// The event's id.
    fn id(&self) -> Uuid;
    /// Its position in the log. Within a key, positions are in the order of the commits.
    fn position(&self) -> i64;
    /// The key that the event is about.
    fn key(&self) -> &str;
    /// Its type. The broker may refuse events of one type and take others.
    fn event_type(&self) -> &str;
    /// The partition of the key.
    fn partition(&self) -> i16;
    /// The memory that it takes, in bytes.
    fn size(&self) -> usize;
}

/// Which pending events to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Only events of these partitions.
    pub partitions: Vec<i16>,
    /// Only events at positions above this one; 0 makes it a full scan.
    pub after: i64,
    /// Only events at positions up to this one.
    pub up_to: i64,
    /// Positions to leave out: the engine holds these events already.
    pub known: Vec<i64>,
    /// The largest number of events.
    pub limit: usize,
    /// Bytes of payload after which no further event is wanted.
    pub max_bytes: usize,
    /// How often events were forgotten before: tells the result of this poll from that of an earlier one.
    pub resets: u64,
}

impl Default for Poll {
    fn default() -> Self {
        Self {
            partitions: Vec::new(),
            after: 0,
            up_to: i64::MAX,
            known: Vec::new(),
            limit: 0,
            max_bytes: 0,
            resets: 0,
        }
    }
}

/// The result of a poll, all of it from one snapshot of the database.
#[derive(Debug, Clone)]
pub struct Batch<E> {
    /// That of the poll.
    pub resets: u64,
    /// Pending events in the order of their positions, without those of blocked keys.
    pub events: Vec<E>,
    /// The lowest number of an open transaction, or else the number of the next one.
    pub oldest_open: u64,
    /// A position that was taken before, about as high as the newest settled event; 0 if there is none.
    pub head: i64,
    /// The failed events of these partitions.
    pub failed: HashSet<Uuid>,
    /// How long it is until the next scheduled event, zero if it is due; `None` if there is none.
    pub next_due: Option<Duration>,
}
