//! Events that are announced later.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::append::{AppendError, Prepared, append_span};
use crate::{Event, TraceContext};

/// A scheduled event: its id, which [`cancel`] takes and which becomes the event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScheduledId(pub Uuid);

/// Schedules `event` in the caller's transaction: a relay appends it to the outbox when it is `due`, on the database's
/// clock.
///
/// It is announced once, within a second of its time and never before it, if a relay is running; a time in the past
/// is due at once. Events of a key that are due at different times are announced in the order of their times.
///
/// It keeps the [version](Event::version) that it has now, although events of its key that are appended before it is
/// due have higher ones. If one of these is of the same type, a consumer treats the scheduled event as one that comes
/// late: it has its effect, unless only the newest counts.
pub async fn schedule<E: Event>(
    tx: &mut Transaction<'_, Postgres>,
    event: &E,
    due: DateTime<Utc>,
) -> Result<ScheduledId, AppendError> {
    schedule_traced(tx, event, due, &TraceContext::default()).await
}

/// Schedules `event` like [`schedule`], with the trace context of the request that caused it.
pub async fn schedule_traced<E: Event>(
    tx: &mut Transaction<'_, Postgres>,
    event: &E,
    due: DateTime<Utc>,
    trace: &TraceContext,
) -> Result<ScheduledId, AppendError> {
    let id = Uuid::now_v7();
    let span = append_span::<E>("outbox_scheduled", id, trace);
    let Prepared { key, payload, headers } = Prepared::of(event, span.context().as_ref().unwrap_or(trace))?;
    sqlx::query(
        "insert into outbox_scheduled (scheduled_id, due, event_type, key, key_version, payload, headers)
         values ($1, $2, $3, $4, $5, $6::json, $7::json)",
    )
    .bind(id)
    .bind(due)
    .bind(E::TYPE)
    .bind(&key)
    .bind(event.version())
    .bind(payload)
    .bind(headers)
    .execute(&mut **tx)
    .await?;
    Ok(ScheduledId(id))
}

/// Whether an event is still scheduled: neither moved into the log nor cancelled.
pub async fn is_scheduled(tx: &mut Transaction<'_, Postgres>, id: ScheduledId) -> Result<bool, sqlx::Error> {
    let row = "select exists (select from outbox_scheduled where scheduled_id = $1)";
    sqlx::query_scalar(row).bind(id.0).fetch_one(&mut **tx).await
}

/// Cancels a scheduled event in the caller's transaction. Returns `false` if there is no such event any more: it was
/// moved into the log, or cancelled before.
///
/// If this returns `true` and the transaction commits, the event is never announced.
pub async fn cancel(tx: &mut Transaction<'_, Postgres>, id: ScheduledId) -> Result<bool, sqlx::Error> {
    let done =
        sqlx::query("delete from outbox_scheduled where scheduled_id = $1").bind(id.0).execute(&mut **tx);
    Ok(done.await?.rows_affected() == 1)
}
