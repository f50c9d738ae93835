//! What the engine asks its caller to do, and what it tells of itself.

use std::time::Instant;

use uuid::Uuid;

#[cfg(doc)]
use crate::engine::Engine;
use crate::{
    held::Hold,
    ownership::{Lease, Take},
    poll::Poll,
};

/// What the caller is to do. Each action is answered by the input named here, or by
/// [`database_lost`](Engine::database_lost) or [`broker_lost`](Engine::broker_lost) if it fails. The engine
/// hands out further actions meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the session with the database: [`opened`](Engine::opened).
    Open,
    /// Share the partitions with the other relays, or release them: [`rebalanced`](Engine::rebalanced).
    Rebalance(Take),
    /// Renew the leases: [`renewed`](Engine::renewed).
    Renew,
    /// Connect to the broker, or open another channel if the connection is open:
    /// [`connected`](Engine::connected).
    Connect,
    /// Read pending events: [`polled`](Engine::polled), or [`poll_timed_out`](Engine::poll_timed_out).
    Poll(Poll),
    /// Send an [`event`](Engine::event): [`sent`](Engine::sent).
    Send(Uuid),
    /// Send an event over a second channel of the same connection, which is opened if it is closed:
    /// [`sent`](Engine::sent).
    Probe(Uuid),
    /// Mark these events published, which may be none: [`marked`](Engine::marked).
    Mark(Vec<Uuid>),
    /// Mark these events failed: [`marked_failed`](Engine::marked_failed).
    MarkFailed(Vec<Failed>),
    /// Move the scheduled events that are due into the log: [`moved_due`](Engine::moved_due).
    MoveDue,
    /// Release all partitions: [`released`](Engine::released).
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
