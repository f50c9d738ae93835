//! Counts of the log, and its settled events from the newest end.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// The unpublished events of a type.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Unpublished {
    pub(crate) event_type: String,
    pub(crate) pending: i64,
    /// Those that failed and wait for an operator.
    pub(crate) failed: i64,
}

/// Counts the events that are neither published nor skipped, through the partial indexes.
pub(crate) async fn unpublished(db: impl PgExecutor<'_>) -> Result<Vec<Unpublished>, sqlx::Error> {
    sqlx::query_as(
        "select event_type, sum(pending)::bigint as pending, sum(failed)::bigint as failed from (
            select event_type, count(*) as pending, 0 as failed from integration_event_log
             where state = 'NotPublished' group by event_type
            union all
            select event_type, 0, count(*) from integration_event_log
             where state = 'PublishedFailed' and skipped_at is null group by event_type) as part
          group by event_type",
    )
    .fetch_all(db)
    .await
}

/// An event that was published or skipped.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Settled {
    pub(crate) position: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    /// Whether it was published, rather than skipped.
    pub(crate) published: bool,
    pub(crate) created_at: DateTime<Utc>,
}

/// Reads the newest `limit` settled events below a position, newest first.
pub(crate) async fn settled_before(
    db: impl PgExecutor<'_>,
    position: i64,
    limit: i64,
) -> Result<Vec<Settled>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select position, event_id, event_type, state = 'Published' as published, ",
        readable!("created_at"),
        " from integration_event_log
          where (state = 'Published' or skipped_at is not null) and position < $1
          order by position desc limit $2"
    ))
    .bind(position)
    .bind(limit)
    .fetch_all(db)
    .await
}
