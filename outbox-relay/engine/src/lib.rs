//! What a relay does next, decided without I/O.
//!
//! An [`Engine`] is asked for its next [`Action`] and told what came of it: what a look into the log
//! found, which events the broker confirmed, that a database or the broker went away, that time has
//! passed. It never waits and never calls anybody, so that the same code that runs in production runs
//! in a simulation where confirmations get lost, relays freeze between any two steps and databases
//! commit late (`cargo shop simulate`).
//!
//! The promises that it keeps, as long as the log and the broker keep theirs:
//!
//! 1. *Order.* The first publications of a key's events come in the order of the log: one event of a key
//!    is on its way at a time, and the next goes when the broker has confirmed the one before.
//! 2. *Honesty.* An event is marked only after the broker's confirmation.
//! 3. *Fencing.* Nothing is handed out to be sent without a lease that holds on this process's own clock.
//! 4. *Nothing is lost.* What is not confirmed stays pending in the log and is read again.

mod backlog;
mod broker;
mod engine;
mod horizon;
mod inputs;
mod look;
mod ownership;
mod pace;

use std::time::Duration;

use uuid::Uuid;

pub use self::{
    backlog::Backlog,
    broker::Refusal,
    engine::{Action, Engine},
    look::{Found, Look},
    ownership::Renewed,
};

/// What the engine has to know of a pending event.
pub trait Pending {
    /// The event's id.
    fn id(&self) -> Uuid;
    /// Its place in the log. Within a key it follows the order of the commits.
    fn position(&self) -> i64;
    /// What it is about.
    fn key(&self) -> &str;
    /// The partition of the key.
    fn partition(&self) -> i16;
    /// How much memory it takes, in bytes.
    fn size(&self) -> usize;
}

/// A partition that the relay may publish, and since which change of owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: i16,
    /// The epoch: one more than the previous owner's.
    pub epoch: i64,
}

/// The limits and times that an engine works with.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Events that are read at once. Under load what is confirmed is marked when there is half as much.
    pub chunk: usize,
    /// Events on their way to the broker at once, at most.
    pub window: usize,
    /// Bytes of events above which no more are read.
    pub bytes: usize,
    /// How often leases are renewed.
    pub renewal: Duration,
    /// How long this process counts on a lease after it asked for it: less than the lease itself lasts.
    pub trusted: Duration,
    /// The longest time between two looks into a log at rest: what a lost notification costs.
    pub poll: Duration,
    /// The shortest time between two looks that begin at the front of the log.
    pub sweep: Duration,
    /// How long a confirmed event waits for others to be marked with it, while more are on their way.
    pub gather: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            chunk: 1_000,
            window: 1_000,
            bytes: 8 * 1024 * 1024,
            renewal: Duration::from_millis(1_500),
            trusted: Duration::from_millis(3_500),
            poll: Duration::from_millis(1_100),
            sweep: Duration::from_secs(1),
            gather: Duration::from_millis(500),
        }
    }
}
