//! Figures of the log, for operators of the service that owns it.

use sqlx::PgExecutor;

/// How many events wait, and for what.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogStatus {
    /// Events that wait to be published; at least so many if `is_counted` is false.
    pub pending: i64,
    /// Whether all of them were counted. While an old snapshot is open, entries of published events stay in the index, and
    /// counting ends after 0.2 s.
    pub is_counted: bool,
    /// The age of the oldest pending event, in seconds; 0 when there is none.
    pub oldest_pending_age_seconds: f64,
    /// Events that failed and wait for an operator.
    pub failed: i64,
    /// Relays whose lease is running, on the database's clock.
    pub relays: i64,
}

/// Counts pending and failed events, through the partial indexes: the cost follows the backlog, not the history, and has
/// a limit.
pub async fn status(db: impl PgExecutor<'_>) -> Result<LogStatus, sqlx::Error> {
    // Before the oldest settled event and after the newest one there are pending events only: they are counted first.
    // Then from range to range of the positions between, while there is time.
    sqlx::query_as(
        "with recursive settled as (
            select coalesce(min(position), 0) as oldest, coalesce(max(position), 0) as newest
              from integration_event_log where state = 'Published' or skipped_at is not null
        ), scan as (
            select oldest as up_to, waiting.pending, waiting.oldest_pending, statement_timestamp() as started
              from settled cross join lateral (
                select count(*) as pending, min(created_at) as oldest_pending from (
                    select created_at from integration_event_log
                     where state = 'NotPublished' and position <= oldest
                    union all
                    select created_at from integration_event_log
                     where state = 'NotPublished' and position > newest) as at_the_ends) as waiting
            union all
            select next.up_to, scan.pending + waiting.pending, least(scan.oldest_pending, waiting.oldest_pending), started
              from scan cross join settled cross join lateral (
                select least(scan.up_to + 20000, newest) as up_to) as next
                   cross join lateral (
                select count(*) as pending, min(created_at) as oldest_pending
                  from integration_event_log
                 where state = 'NotPublished' and position > scan.up_to and position <= next.up_to) as waiting
             where scan.up_to < newest
               and clock_timestamp() < started + interval '0.2 s'
        )
        select pending, up_to = (select newest from settled) as is_counted,
               coalesce(extract(epoch from clock_timestamp()
                   - greatest(least(oldest_pending, clock_timestamp()), '0001-01-01 00:00:00+00')), 0)::float8
                   as oldest_pending_age_seconds,
               (select count(*) from integration_event_log
                 where state = 'PublishedFailed' and skipped_at is null) as failed,
               (select count(*) from outbox_relay where alive_until > clock_timestamp()) as relays
          from scan order by up_to desc limit 1",
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
         )
         -- Entries of events that were published meanwhile are below the newest settled event.
         select coalesce((select position from integration_event_log
                           where state = 'NotPublished' and position > settled.position
                           order by position desc limit 1), settled.position) as committed,
                settled.position as settled
           from settled",
    )
    .fetch_one(db)
    .await
}
