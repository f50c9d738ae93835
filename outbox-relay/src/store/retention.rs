//! Deleting old events.

use std::time::Duration;

use sqlx::{PgExecutor, postgres::types::PgInterval};

/// The result of one [`purge`].
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Purged {
    /// How many events it deleted.
    pub(crate) deleted: i64,
    /// The position after which to go on; `None` when no further event can be old enough.
    pub(crate) last_position: Option<i64>,
}

/// Reads the next `at_most` settled events above a position, and deletes those that were settled longer ago than
/// `older_than`. Less than a day counts as a day.
///
/// Each small batch is a statement of its own, so that none holds locks or a snapshot for long.
pub(crate) async fn purge(
    db: impl PgExecutor<'_>,
    older_than: Duration,
    after_position: i64,
    at_most: i32,
) -> Result<Purged, sqlx::Error> {
    let microseconds = i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
    sqlx::query_as("select deleted, last_position from integration_event_log_purge($1, $2, $3)")
        .bind(PgInterval { months: 0, days: 0, microseconds })
        .bind(after_position)
        .bind(at_most)
        .fetch_one(db)
        .await
}
