//! The decisions of a relay, without I/O.
//!
//! The caller asks an [`Engine`] for its next [`Action`] and reports the outcome: the events that a poll
//! returned, the events that the broker confirmed, the loss of the database or the broker, the passing of
//! time. The engine never waits and never calls anything, so the code that runs in production also runs in a
//! simulation, where confirmations are lost, relays freeze between any two steps and transactions commit
//! late (`cargo shop simulate`).
//!
//! The engine guarantees, as long as the log and the broker keep their own promises:
//!
//! 1. *Order.* The first publications of a key's events are in the order of the log: at most one event of a
//!    key is in flight, and the next one goes after the broker's confirmation.
//! 2. *No false mark.* An event is marked published only after the broker's confirmation.
//! 3. *Fencing.* Every send happens under a lease that is valid on this process's own clock.
//! 4. *Nothing is lost.* An unconfirmed event stays pending in the log and is read again.

mod backlog;
mod broker;
mod engine;
mod high_water_mark;
mod inputs;
mod ownership;
mod poll;
mod timing;

use std::time::Duration;

use uuid::Uuid;

pub use self::{
    backlog::Backlog,
    broker::Refusal,
    engine::{Action, Engine},
    ownership::Renewed,
    poll::{Batch, Poll},
};

/// What the engine needs to know of a pending event.
pub trait Pending {
    /// The event's id.
    fn id(&self) -> Uuid;
    /// Its position in the log. Within a key, positions are in the order of the commits.
    fn position(&self) -> i64;
    /// The key that the event is about.
    fn key(&self) -> &str;
    /// The partition of the key.
    fn partition(&self) -> i16;
    /// The memory that it takes, in bytes.
    fn size(&self) -> usize;
}

/// A partition that the relay may publish, and the epoch that fences its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: i16,
    /// The epoch: one more than the previous owner's.
    pub epoch: i64,
}

/// The limits and times of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The largest number of events that one poll reads. Under load, confirmed events are marked when there are
    /// half as many.
    pub batch_size: usize,
    /// The largest number of events in flight to the broker.
    pub max_in_flight: usize,
    /// Bytes of events in memory above which no more are read.
    pub max_bytes: usize,
    /// How often leases are renewed.
    pub renewal: Duration,
    /// How long this process relies on a lease after it asked for it: less than the lease lasts.
    pub trusted: Duration,
    /// The longest time between two polls of an idle log: what a lost notification costs.
    pub poll_interval: Duration,
    /// The shortest time between two full scans of the pending events.
    pub full_scan_interval: Duration,
    /// How long a confirmed event waits for others to be marked with it, while more are in flight.
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_size: 1_000,
            max_in_flight: 1_000,
            max_bytes: 8 * 1024 * 1024,
            renewal: Duration::from_millis(1_500),
            trusted: Duration::from_millis(3_500),
            poll_interval: Duration::from_millis(1_100),
            full_scan_interval: Duration::from_secs(1),
            linger: Duration::from_millis(500),
        }
    }
}
