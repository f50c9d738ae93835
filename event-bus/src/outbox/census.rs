//! Counting the log, and reading what is settled from its newest end.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// How many events of a type are not published, by why.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Unpublished {
    /// The type.
    pub event_type: String,
    /// Those that wait.
    pub pending: i64,
    /// Those that could not be published and wait for an operator.
    pub failed: i64,
}

/// Counts what is not published and not skipped, through the partial indexes.
pub async fn unpublished(db: impl PgExecutor<'_>) -> Result<Vec<Unpublished>, sqlx::Error> {
    sqlx::query_as(
        "select event_type, sum(pending)::bigint as pending, sum(failed)::bigint as failed from (
            select event_type, count(*) as pending, 0 as failed from integration_event_log
             where state in ('NotPublished', 'InProgress') group by event_type
            union all
            select event_type, 0, count(*) from integration_event_log
             where state = 'PublishedFailed' and skipped_at is null group by event_type) as part
          group by event_type",
    )
    .fetch_all(db)
    .await
}

/// An event that was published or skipped.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Settled {
    /// Its place in the log.
    pub position: i64,
    /// Its id.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Whether it was published, rather than skipped.
    pub published: bool,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// The newest `limit` settled events before a position, newest first: a log is read backwards until it is
/// old enough.
pub async fn settled_before(
    db: impl PgExecutor<'_>,
    position: i64,
    limit: i64,
) -> Result<Vec<Settled>, sqlx::Error> {
    sqlx::query_as(
        "select position, event_id, event_type, state = 'Published' as published, created_at
           from integration_event_log
          where (state = 'Published' or skipped_at is not null) and position < $1
          order by position desc limit $2",
    )
    .bind(position)
    .bind(limit)
    .fetch_all(db)
    .await
}
