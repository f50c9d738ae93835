//! The crate as a service uses it: a real database, a real broker.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod away;
mod dead_letters;
mod demoted;
mod odd_letters;
mod outbox;
mod receiving;
mod refused;
mod removed;
mod scheduled;
mod stuck;
mod support;
mod topology;
mod versions;
mod waiting;
mod waiting_many;
