//! What the tool promises, as far as it can be shown without starting servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod cluster;
mod compatible;
mod contracts;
mod env_file;
mod generate;
mod identity;
mod interrupt;
mod kubernetes;
mod logs;
mod monitoring;
mod ports;
mod production;
mod registry;
mod secrets;
mod starting;
mod stopping;
mod token;
