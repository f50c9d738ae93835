//! Figures of the log, for operators of the service that owns it.

use sqlx::PgExecutor;

/// How many events wait, and for what.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogStatus {
    /// Events that wait to be published.
    pub pending: i64,
    /// The age of the oldest pending event, in seconds; 0 when there is none.
    pub oldest_pending_age_seconds: f64,
    /// Events that failed and wait for an operator.
    pub failed: i64,
    /// Relays whose lease is running, on the database's clock.
    pub relays: i64,
}

/// Counts pending and failed events, through the partial indexes: the cost follows the backlog, not the history.
pub async fn status(db: impl PgExecutor<'_>) -> Result<LogStatus, sqlx::Error> {
    sqlx::query_as(
        "select waiting.pending, waiting.oldest_pending_age_seconds,
                (select count(*) from integration_event_log
                  where state = 'PublishedFailed' and skipped_at is null) as failed,
                (select count(*) from outbox_relay where alive_until > clock_timestamp()) as relays
           from (select count(*) as pending,
                        coalesce(greatest(extract(epoch from clock_timestamp() - min(created_at)), 0), 0)::float8
                            as oldest_pending_age_seconds
                   from integration_event_log where state = 'NotPublished') as waiting",
    )
    .fetch_one(db)
    .await
}

/// The two ends of a log.
///
/// Rolled-back events took positions as well, so positions are a little higher than the number of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Progress {
    /// The position of the newest event; 0 before the first.
    pub committed: i64,
    /// The position of the newest published or skipped event.
    pub settled: i64,
}

/// Reads the two ends of a log. Each is one step into an index, whatever the log's length.
pub async fn progress(db: impl PgExecutor<'_>) -> Result<Progress, sqlx::Error> {
    sqlx::query_as(
        "with settled as (
            select coalesce(max(position), 0) as position from integration_event_log
             where state = 'Published' or skipped_at is not null
         ), waiting as (
            select coalesce(max(position), 0) as position from integration_event_log
             where state = 'NotPublished'
         )
         select greatest(settled.position, waiting.position) as committed, settled.position as settled
           from settled, waiting",
    )
    .fetch_one(db)
    .await
}
