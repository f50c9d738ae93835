//! The transactional outbox: a change and its announcement, in one transaction.
//!
//! A service calls [`append`] inside the transaction of the change. A relay reads the pending rows, publishes
//! them and marks them published.

mod append;
mod partition;
mod status;
mod wake_up;

use crate::Migration;

pub use append::{Announcement, AppendError, Change, append};
pub use partition::{PARTITIONS, partition_of};
pub use status::{LogStatus, Progress, progress, status};
pub use wake_up::WakeUp;

macro_rules! create_log {
    () => {
        include_str!("../../migrations/outbox/202611221210_create_integration_event_log.sql")
    };
}

/// The migrations of the outbox, in the order of their versions.
///
/// A service runs them with its own, and grants its relay's role what `docs/` names.
pub const MIGRATIONS: &[Migration] =
    &[Migration::new(202_611_221_210, "create integration event log", create_log!())];

/// All [`MIGRATIONS`] as one text, for a service that keeps the tables in its own way.
pub const SCHEMA: &str = create_log!();

/// The channel on which [`WakeUp`] tells relays that there may be something to publish.
pub const CHANNEL: &str = "integration_event_log";

/// The largest payload that [`append`] takes, in bytes of JSON: 256 KiB.
pub const PAYLOAD_LIMIT: usize = 256 * 1024;
