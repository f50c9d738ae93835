//! The idempotent inbox: an event has its effect once, however often it is delivered.
//!
//! Two tables, both written in the transaction of the effect: `inbox` knows which events a consumer
//! has had, `inbox_version` how new its knowledge of a key is, for each type of event.

mod advance;
pub(crate) mod receive;
pub(crate) mod retention;

pub use advance::advance;

use crate::Migration;

/// The migrations of the inbox, in the order of their versions. A service runs them with its own.
pub const MIGRATIONS: &[Migration] = &[Migration::new(202_611_221_230, "create inbox", SCHEMA)];

/// All [`MIGRATIONS`] as one text, for a service that keeps the tables in its own way.
pub const SCHEMA: &str = include_str!("../../migrations/inbox/202611221230_create_inbox.sql");
