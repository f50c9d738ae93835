//! Scheduled events, for operators.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// An event that is to be announced later.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduledEvent {
    /// The id that it will have as an event.
    pub(crate) scheduled_id: Uuid,
    /// When it is to be announced.
    pub(crate) due: DateTime<Utc>,
    /// Its type.
    pub(crate) event_type: String,
    /// What it is about.
    pub(crate) key: String,
    /// When it was scheduled.
    pub(crate) created_at: DateTime<Utc>,
}

/// Lists the scheduled events that are due first.
pub(crate) async fn list(db: impl PgExecutor<'_>, limit: i64) -> Result<Vec<ScheduledEvent>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select scheduled_id, due, event_type, key, ",
        readable!("created_at"),
        " from outbox_scheduled order by due, scheduled_id limit $1"
    ))
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Counts the scheduled events.
pub(crate) async fn count(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from outbox_scheduled").fetch_one(db).await
}

/// Counts the scheduled events that should be in the log by now.
pub(crate) async fn overdue(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    // The clock itself changes with each row, and no index answers to that.
    let overdue = "select count(*) from outbox_scheduled where due < statement_timestamp() - interval '5 s'";
    sqlx::query_scalar(overdue).fetch_one(db).await
}

/// Cancels a scheduled event. Returns `false` if there is none with this id any more.
pub(crate) async fn cancel(db: impl PgExecutor<'_>, id: Uuid) -> Result<bool, sqlx::Error> {
    let cancel = sqlx::query("delete from outbox_scheduled where scheduled_id = $1");
    Ok(cancel.bind(id).execute(db).await?.rows_affected() == 1)
}
