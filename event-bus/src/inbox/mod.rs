//! The idempotent inbox: an event has its effect once, however often it is delivered.
//!
//! Two tables, both written in the transaction of the effect: `inbox` knows which events a consumer
//! has had, `inbox_version` how new its knowledge of a key is, for each type of event.

mod advance;
pub(crate) mod receive;
pub(crate) mod retention;

pub use advance::advance;

/// The tables of the inbox, for a service's own migrations.
pub const SCHEMA: &str = include_str!("../../sql/inbox.sql");
