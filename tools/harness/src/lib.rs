//! The harness that `cargo shop chaos`, `cargo shop bench` and the tests share.
//!
//! | module | its job |
//! |---|---|
//! | [`Environment`] | private servers, and services as real processes, optionally behind proxies; each has its [`Name`] |
//! | [`Process`] | one process of a service: start, readiness, signals, memory, open files |
//! | [`proxy`] | a TCP proxy that delays, silences, cuts, drops confirmations and records statements |
//! | [`Broker`] | RabbitMQ with the administrator's rights: management API, publishing, reading queues |
//! | [`until`], [`eventually`] | waiting for a value with a deadline |
//! | [`percentile`](percentile()) | figures of what was measured |
//! | [`token`] | development tokens |

mod broker;
mod environment;
mod percentile;
mod process;
pub mod proxy;
pub mod token;
mod wait;

pub use broker::{Broker, Message, Node, QueueState};
pub use environment::{Build, Environment, Options, Programs};
pub use percentile::percentile;
pub use process::{Process, beside_this_program, memory, open_files};
pub use shop::registry::Name;
pub use wait::{eventually, until};
