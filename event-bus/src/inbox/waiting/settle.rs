//! What becomes of an event that was tried.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Next, Waiting, seconds, storable};

/// How an event stopped waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled<'a> {
    /// It had its effect.
    Applied,
    /// It is to have none: a newer one had, and only the newest counts.
    Stale,
    /// It is to have none: somebody has decided so, for this reason.
    Skipped { by: &'a str, reason: &'a str },
    /// It was dead-lettered, and may come again from there.
    Dead,
}

/// Takes an event out of those that wait; the next one of its key is due at once. Where only the newest counts, earlier
/// ones of its version are taken out as well.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    consumer: &str,
    waiting: &Waiting,
    settled: Settled<'_>,
) -> Result<(), sqlx::Error> {
    let (by, reason) = match settled {
        Settled::Skipped { by, reason } => (Some(by), Some(reason)),
        _ => (None, None),
    };
    sqlx::query(
        "with gone as (
             delete from inbox_waiting where consumer = $1 and event_id = $2
         ), passed as (
             delete from inbox_waiting
              where $3 and not $7 and consumer = $1 and source = $8 and key = $9 and event_type = $11
                and not holds_key and position < $10 and (generation, key_version) = ($12, $13)
         ), forgotten as (
             delete from inbox where consumer = $1 and event_id = $2 and $4
         ), entered as (
             update inbox set applied = $3, skipped_at = case when $5 is not null then clock_timestamp() end,
                              skipped_by = $5, skip_reason = $6
              where consumer = $1 and event_id = $2 and not $4
         )
         update inbox_waiting set next_attempt_at = clock_timestamp()
          where $7 and consumer = $1 and blocked_at is null and event_id = (
                select event_id from inbox_waiting
                 where consumer = $1 and source = $8 and key = $9 and holds_key and position > $10
                 order by position limit 1)",
    )
    .bind(consumer)
    .bind(waiting.event.id)
    .bind(settled == Settled::Applied)
    .bind(settled == Settled::Dead)
    .bind(by)
    .bind(reason)
    .bind(waiting.holds_key)
    .bind(&waiting.event.source)
    .bind(&waiting.event.key)
    .bind(waiting.position)
    .bind(&waiting.event.event_type)
    .bind(waiting.event.generation)
    .bind(waiting.event.version)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records a failure.
pub(crate) async fn fail(
    tx: &mut PgConnection,
    consumer: &str,
    waiting: &Waiting,
    reason: &str,
    next: Next,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update inbox_waiting
            set failures = failures + 1, reason = $3, next_attempt_at = clock_timestamp() + $4 * interval '1 second',
                blocked_at = case when $4 is null then clock_timestamp() end
          where consumer = $1 and event_id = $2",
    )
    .bind(consumer)
    .bind(waiting.event.id)
    .bind(reason)
    .bind(seconds(next))
    .execute(tx)
    .await?;
    Ok(())
}

/// Puts the next try off, which is no failure.
pub(crate) async fn put_off(
    tx: &mut PgConnection,
    consumer: &str,
    event_id: Uuid,
    by: Duration,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update inbox_waiting set next_attempt_at = clock_timestamp() + $3 * interval '1 second', reason = $4
          where consumer = $1 and event_id = $2",
    )
    .bind(consumer)
    .bind(event_id)
    .bind(by.as_secs_f64())
    .bind(storable(reason))
    .execute(tx)
    .await?;
    Ok(())
}
