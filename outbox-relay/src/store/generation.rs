//! The generation of a log, which is raised after a restore.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::Session;

/// What a log that begins its next generation sets. A backup that is restored a second time has the generation of the
/// first time again; the clock, in seconds, has gone on.
macro_rules! next_generation {
    () => {
        "set generation = greatest(generation + 1, extract(epoch from clock_timestamp())::bigint),
             identity = outbox_log_identity(), since = clock_timestamp()"
    };
}

/// Begins the next generation if the log was restored since the last one began, and returns it.
///
/// Of several relays one does this. Called at the start of each session, before events are read.
pub(crate) async fn begin_after_restore(session: &mut Session) -> Result<Option<i64>, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let generation = sqlx::query_scalar(concat!(
        "update outbox_log ",
        next_generation!(),
        " where identity <> outbox_log_identity() returning generation"
    ))
    .persistent(is_prepared)
    .fetch_optional(session.begin().await?)
    .await?;
    session.end().await?;
    Ok(generation)
}

/// Begins the next generation, and returns it.
pub(crate) async fn begin(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(concat!("update outbox_log ", next_generation!(), " returning generation"))
        .fetch_one(pool)
        .await
}

/// The time since which the log has all events that were committed: retention deletes from its front. `None` for an
/// empty log of the first generation, which may have lost everything to retention.
pub(crate) async fn complete_since(db: impl PgExecutor<'_>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    // Without the rows whose time no calendar has: they say nothing of it.
    sqlx::query_scalar(
        "select coalesce(
            (select created_at from integration_event_log
              where (state = 'Published' or skipped_at is not null)
                and created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
              order by position limit 1),
            (select min(created_at) from integration_event_log
              where state = 'NotPublished'
                and created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'),
            (select '0001-01-01 00:00:00+00'::timestamptz from outbox_log where generation > 1))",
    )
    .fetch_one(db)
    .await
}

/// Which of these events the log has.
pub(crate) async fn known(db: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let known = sqlx::query_scalar("select event_id from integration_event_log where event_id = any($1)");
    Ok(known.bind(ids).fetch_all(db).await?.into_iter().collect())
}
