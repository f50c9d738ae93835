//! What every service of the shop has in common, and nothing that only one of them needs.
//!
//! | module | job |
//! |---|---|
//! | [`app`] | one way to be a service: the declaration, and the program made of it |
//! | [`change`] | why a change and its events were not made |
//! | [`settings`] | defaults, file and environment into typed sections |
//! | [`telemetry`] | logs, traces, and the Prometheus recorder |
//! | [`database`] | a pool that survives cut connections and cancelled requests |
//! | [`loader`] | reads that come at the same time, in one statement |
//! | [`problem`] | RFC 9457 answers, and extractors that fail with them |
//! | [`auth`] | bearer tokens into an identity with scopes |
//! | [`link_token`] | the token of the link in a mail |
//! | [`mod@money`] | amounts of money, in whole cents |
//! | [`number`] | ids and quantities: whole numbers with limits |
//! | [`page`] | pages of lists |
//! | [`peer`] | asks another service over HTTP, with limits |
//! | [`reason`] | why an operator decides something |
//! | [`etag`] | entity tags and the conditions on them |
//! | [`idempotency_key`] | a request that is sent again has one effect |
//! | [`trace`] | request ids and the W3C trace context |
//! | [`server`] | limits, deadlines, health, metrics, documentation, shutdown |
//! | [`sse`] | server-sent events |
//! | [`shutdown`] | signals into a cancellation token |
//! | [`text`] | what must not stand in a text |
//! | [`worker`] | rows of work: effects outside of the database |
//! | [`healthcheck`] | the `healthcheck` subcommand |
//!
//! Of the workspace it depends on `event-bus` alone, and it knows no domain.

pub mod app;
pub mod auth;
pub mod change;
pub mod database;
pub mod etag;
pub mod healthcheck;
pub mod idempotency_key;
pub mod link_token;
pub mod loader;
pub mod money;
pub mod number;
pub mod output;
pub mod page;
pub mod peer;
pub mod problem;
pub mod reason;
pub mod retry;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod sse;
pub mod telemetry;
pub mod text;
pub mod trace;
pub mod worker;
