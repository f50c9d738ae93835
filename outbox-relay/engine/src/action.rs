//! What the engine asks its caller to do, and what it tells of itself.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    held::Hold,
    ownership::{Lease, Take},
    poll::Poll,
};

/// What the caller is to do. Each action is answered by the input named here, or by
/// [`database_lost`](crate::Engine::database_lost) or [`broker_lost`](crate::Engine::broker_lost) if it fails. The
/// engine hands out further actions meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the session with the database: [`opened`](crate::Engine::opened).
    Open,
    /// Share the partitions with the other relays, or release them: [`rebalanced`](crate::Engine::rebalanced).
    Rebalance(Take),
    /// Renew the leases: [`renewed`](crate::Engine::renewed).
    Renew,
    /// Connect to the broker, or open another channel if the connection is open:
    /// [`connected`](crate::Engine::connected).
    Connect,
    /// Read pending events: [`polled`](crate::Engine::polled), or [`poll_timed_out`](crate::Engine::poll_timed_out).
    Poll(Poll),
    /// Send an [`event`](crate::Engine::event): [`answered`](crate::Engine::answered).
    Send(Uuid),
    /// Send an event over a second channel of the same connection, which is opened if it is closed:
    /// [`answered`](crate::Engine::answered).
    Probe(Uuid),
    /// Mark these events published, which may be none: [`marked`](crate::Engine::marked).
    Mark(Vec<Uuid>),
    /// Mark these events failed: [`marked_failed`](crate::Engine::marked_failed).
    MarkFailed(Vec<Failed>),
    /// Move the scheduled events that are due into the log: [`moved_due`](crate::Engine::moved_due), or
    /// [`move_due_refused`](crate::Engine::move_due_refused).
    MoveDue,
    /// Release all partitions: [`released`](crate::Engine::released).
    Release,
}

/// An event that can never be published as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The event.
    pub id: Uuid,
    /// Why it failed.
    pub reason: String,
    /// The lease under which it is marked.
    pub lease: Lease,
}

/// A type of which no event is published now, while other types are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The type.
    pub event_type: String,
    /// Why its events wait.
    pub hold: Hold,
    /// Since when.
    pub since: Instant,
    /// How many events wait, as far as they were read: of this type, and behind them in their keys.
    pub waiting: usize,
}
