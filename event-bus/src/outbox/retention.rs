//! Published events leave the log after a while.

use std::time::Duration;

use sqlx::{PgExecutor, postgres::types::PgInterval};

/// What one call of [`purge`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Purged {
    /// How many events it deleted.
    pub deleted: i64,
    /// The position after which to go on; `None` when nothing further can be old enough.
    pub last_position: Option<i64>,
}

/// Looks at the next `at_most` events after a position that were published or skipped, and deletes those
/// for which that was longer ago than `older_than`. Less than a day counts as a day.
///
/// A statement of its own for each small batch, so that none holds locks or a snapshot for long; a pass
/// begins after position 0.
pub async fn purge(
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
