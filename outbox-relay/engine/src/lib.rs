//! The decisions of a relay, without I/O.
//!
//! The caller asks an [`Engine`] for its next [`Action`] and reports what came of it. The engine never waits,
//! never calls anything and has no clock: every input carries the time. The code that runs in production
//! therefore also runs in a simulation.
//!
//! # What the caller asks and reports
//!
//! [`Engine::next`] returns the next [`Action`]: open a session, rebalance or renew the leases, connect to the
//! broker, poll the log, send an event, mark events published or failed, move scheduled events that are due into the
//! log, release the partitions. The caller
//! carries out several of them side by side. The documentation of each [`Action`] names the input that answers
//! it. Other inputs come by themselves: [`database_lost`](Engine::database_lost),
//! [`broker_lost`](Engine::broker_lost), [`notified`](Engine::notified), [`peer_left`](Engine::peer_left),
//! [`stop`](Engine::stop). After each input, and at [`wake_at`](Engine::wake_at), the caller asks again.
//!
//! # Invariants
//!
//! The engine keeps these as long as the log and the broker keep their own promises:
//!
//! 1. *Order.* The first publications of a key's events are in the order of the log: at most one event of a
//!    key is in flight, and the next one goes after the broker's confirmation.
//! 2. *No false mark.* An event is marked published only after the broker's confirmation.
//! 3. *Fencing.* Every send happens under a lease that is valid on this process's own clock.
//! 4. *Nothing is lost.* An unconfirmed event stays pending in the log and is read again.
//! 5. *Isolation.* What the broker does not take holds up only itself, the events behind it in its key and, if a queue
//!    is full, its type.
//!
//! # Reading order
//!
//! 1. `action.rs`, `engine.rs`, `publish.rs`: which action comes next.
//! 2. `inputs.rs`: what each input changes.
//! 3. `backlog.rs`: the events in memory, key by key.
//! 4. `refusals.rs`, `held.rs`, `bisection.rs`: what the broker does not take, and how it is found.
//! 5. `ownership.rs`, `broker.rs`, `timing.rs`, `schedule.rs`: the leases, the connection to the broker, the pauses,
//!    the time of the next scheduled event.
//! 6. `high_water_mark.rs`: where a poll may start. It is the hardest part; its documentation has the proof.
//!
//! # How the simulation checks the invariants
//!
//! `cargo shop simulate` runs several engines against a log and a broker in memory, in virtual time. Relays are
//! killed and frozen between any two actions, sessions and connections are cut, confirmations are lost, and
//! transactions commit late. An oracle checks the invariants at each event, and everything must be published
//! in the end. Tests remove one safety at a time and require that the oracle detects it.

mod action;
mod backlog;
mod bisection;
mod broker;
mod config;
mod engine;
mod held;
mod high_water_mark;
mod inputs;
mod ownership;
mod poll;
mod publish;
mod refusals;
mod schedule;
mod status;
mod timing;

pub use self::{
    action::{Action, Failed, HeldBack},
    backlog::Backlog,
    broker::{Fault, Outcome, Refusal},
    config::Config,
    engine::Engine,
    held::Hold,
    ownership::{Lease, Renewed, Take},
    poll::{Batch, Pending, Poll},
};
