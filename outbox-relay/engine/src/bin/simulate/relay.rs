//! One relay's process: an engine, and the messages between it and the world.

use std::time::{Duration, Instant};

use relay_engine::{Action, Batch, Config, Engine, Lease, Outcome, Renewed};
use uuid::Uuid;

use crate::database::Event;

/// An input of an engine.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Opened,
    DatabaseLost,
    Rebalanced(Vec<Lease>),
    Renewed(Renewed),
    PeerLeft,
    Polled(Batch<Event>),
    PollTimedOut,
    Notified,
    MovedDue(usize, Option<Duration>),
    Marked(u64),
    MarkedFailed(Vec<Uuid>),
    Connected,
    BrokerLost,
    Answered(Uuid, Outcome),
    Released,
    /// Time has passed.
    Tick,
}

/// A process, from its start to its end. A relay that is started again is another process.
pub(crate) struct Process {
    pub(crate) engine: Engine<Event>,
    /// Unique among all processes of a schedule.
    pub(crate) id: u64,
    pub(crate) session: u64,
    pub(crate) connection: Option<u64>,
    /// The events in flight over the connection, and the channel of each.
    pub(crate) unconfirmed: Vec<(Uuid, u64)>,
    /// The channels for most events, and for the bisection.
    pub(crate) channels: [u64; 2],
    /// Since when it has no connection.
    pub(crate) without_broker_since: Option<u64>,
    pub(crate) is_frozen: bool,
    /// What it decided before it froze, and will do first when it thaws.
    pub(crate) stale: Option<Action>,
    /// What reached it while it was frozen.
    pub(crate) held: Vec<Input>,
    pub(crate) wakes_at: u64,
}

impl Process {
    pub(crate) fn start(id: u64, config: Config, now: u64) -> Self {
        Self {
            engine: Engine::new(config, id),
            id,
            session: 0,
            connection: None,
            unconfirmed: Vec::new(),
            channels: [0; 2],
            without_broker_since: Some(now),
            is_frozen: false,
            stale: None,
            held: Vec::new(),
            wakes_at: u64::MAX,
        }
    }

    pub(crate) fn receive(&mut self, input: Input, now: Instant) {
        let engine = &mut self.engine;
        match input {
            Input::Opened => engine.opened(),
            Input::DatabaseLost => {
                self.session = 0;
                engine.database_lost(now);
            }
            Input::Rebalanced(leases) => engine.rebalanced(leases),
            Input::Renewed(renewed) => engine.renewed(renewed),
            Input::PeerLeft => engine.peer_left(),
            Input::Polled(batch) => engine.polled(batch, now),
            Input::PollTimedOut => engine.poll_timed_out(),
            Input::Notified => engine.notified(),
            Input::MovedDue(events, next_due) => engine.moved_due(events, next_due, now),
            Input::Marked(transaction) => drop(engine.marked(transaction)),
            Input::MarkedFailed(done) => engine.marked_failed(&done),
            // A connection that is cut before the relay learns of it has failed.
            Input::Connected if self.connection.is_none() => engine.broker_lost(now),
            Input::Connected => engine.connected(),
            Input::BrokerLost => engine.broker_lost(now),
            Input::Answered(id, outcome) => {
                self.unconfirmed.retain(|(sent, _)| *sent != id);
                engine.answered(id, outcome, now);
            }
            Input::Released => engine.released(),
            Input::Tick => {}
        }
    }
}
