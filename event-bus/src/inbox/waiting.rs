//! Events that wait for another try, and those of their keys that wait behind them.
//!
//! Functions that take a connection work in the caller's transaction.

mod settle;
mod take;

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use super::receive::{Delivery, Order, column};
use crate::{envelope::IncomingEvent, error::shortened};

#[cfg(feature = "rabbitmq")]
pub(crate) use self::{
    settle::{Settled, fail, put_off, settle},
    take::{lock, take},
};

/// How much of a consumer waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WaitingSummary {
    /// Events that wait, those of blocked keys too.
    pub events: i64,
    /// Keys whose first event failed at its last try: they wait for an operator.
    pub blocked_keys: i64,
    /// Seconds until the next try is due.
    #[serde(skip)]
    pub(crate) next_try: Option<f64>,
}

/// Counts what waits.
pub async fn summary(pool: &PgPool, consumer: &str) -> Result<WaitingSummary, sqlx::Error> {
    sqlx::query_as(
        "select (select count(*) from inbox_waiting where consumer = $1) as events,
                (select count(*) from inbox_waiting where consumer = $1 and blocked_at is not null) as blocked_keys,
                -- An operator may have written a time that no calendar has, such as -infinity.
                (select extract(epoch from least(greatest(next_attempt_at, '0001-01-01 00:00:00+00'),
                                                 '9999-12-31 23:59:59+00') - clock_timestamp())::float8
                   from inbox_waiting where consumer = $1 and next_attempt_at is not null
                  order by next_attempt_at limit 1) as next_try",
    )
    .bind(consumer)
    .fetch_one(pool)
    .await
}

/// What is to happen after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is tried again after this time.
    TryAgain(Duration),
    /// It waits for an operator.
    Block,
    /// It is given up.
    Skip,
}

/// How often an event has failed, why, and what follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed<'a> {
    /// 0 if something was in its way, which is no failure.
    pub(crate) failures: u32,
    pub(crate) reason: &'a str,
    pub(crate) next: Next,
}

/// A reason, as the inbox keeps it: its beginning, without NUL, which PostgreSQL cannot store.
pub(crate) fn storable(reason: &str) -> String {
    shortened(reason).replace('\0', "")
}

/// The message that an event came in, as it is dead-lettered if the event is rejected at a later try.
pub(crate) struct Original {
    /// Its properties, as AMQP encodes them.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// An event that waits.
pub(crate) struct Waiting {
    pub(crate) event: IncomingEvent,
    /// `None` if a program stored it that did not keep messages.
    pub(crate) original: Option<Original>,
    pub(crate) redelivered: bool,
    pub(crate) failures: u32,
    holds_key: bool,
    position: i64,
}

/// Has deliveries wait behind the events of their keys that wait already, each with its message.
pub(crate) async fn join(
    tx: &mut PgConnection,
    consumer: &str,
    deliveries: &[Delivery<'_>],
    originals: Vec<Original>,
) -> Result<(), sqlx::Error> {
    let (properties, bodies): (Vec<_>, Vec<_>) =
        originals.into_iter().map(|original| (original.properties, original.body)).unzip();
    sqlx::query(
        "insert into inbox_waiting (consumer, event_id, source, event_type, key, generation, key_version, occurred_at,
                                    traceparent, tracestate, data, redelivered, properties, body, holds_key)
         select $1, event_id, source, event_type, key, generation, key_version, occurred_at,
                traceparent, tracestate, data::json, redelivered, properties, body, true
           from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[],
                       $9::text[], $10::text[], $11::text[], $12::bool[], $13::bytea[], $14::bytea[])
                with ordinality as delivery (event_id, source, event_type, key, generation, key_version, occurred_at,
                                             traceparent, tracestate, data, redelivered, properties, body, place)
          order by place",
    )
    .bind(consumer)
    .bind(column(deliveries, |delivery| delivery.event.id))
    .bind(column(deliveries, |delivery| delivery.event.source.as_str()))
    .bind(column(deliveries, |delivery| delivery.event.event_type.as_str()))
    .bind(column(deliveries, |delivery| delivery.event.key.as_str()))
    .bind(column(deliveries, |delivery| delivery.event.generation))
    .bind(column(deliveries, |delivery| delivery.event.version))
    .bind(column(deliveries, |delivery| delivery.event.occurred_at))
    .bind(column(deliveries, |delivery| delivery.event.trace.traceparent()))
    .bind(column(deliveries, |delivery| delivery.event.trace.tracestate()))
    .bind(column(deliveries, |delivery| delivery.event.data.get()))
    .bind(column(deliveries, |delivery| delivery.redelivered))
    .bind(properties)
    .bind(bodies)
    .execute(tx)
    .await?;
    Ok(())
}

/// Enters an event that failed, in the inbox and, unless it is given up, here. Does nothing if it is in the inbox
/// already.
pub(crate) async fn enter(
    tx: &mut PgConnection,
    consumer: &str,
    delivery: Delivery<'_>,
    original: &Original,
    Failed { failures, reason, next }: Failed<'_>,
) -> Result<(), sqlx::Error> {
    let event = delivery.event;
    sqlx::query(
        "with entered as (
             insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered,
                                skipped_at, skipped_by, skip_reason)
             values ($1, $2, $3, $4, $5, $7, false, $12,
                     case when $16 then clock_timestamp() end, case when $16 then $1 end, case when $16 then $14 end)
             on conflict (consumer, event_id) do nothing
             returning event_id
         )
         insert into inbox_waiting (consumer, event_id, source, event_type, key, generation, key_version, occurred_at,
                                    traceparent, tracestate, data, redelivered, holds_key,
                                    failures, reason, next_attempt_at, blocked_at, properties, body)
         select $1, event_id, $3, $4, $5, $6, $7, $8, $9, $10, $11::json, $12, $13, $19, $14,
                clock_timestamp() + $15 * interval '1 second', case when $15 is null then clock_timestamp() end,
                $17, $18
           from entered where not $16",
    )
    .bind(consumer)
    .bind(event.id)
    .bind(&event.source)
    .bind(&event.event_type)
    .bind(&event.key)
    .bind(event.generation)
    .bind(event.version)
    .bind(event.occurred_at)
    .bind(event.trace.traceparent())
    .bind(event.trace.tracestate())
    .bind(event.data.get())
    .bind(delivery.redelivered)
    .bind(delivery.order == Order::EveryEvent)
    .bind(reason)
    .bind(seconds(next))
    .bind(next == Next::Skip)
    .bind(&original.properties)
    .bind(&original.body)
    .bind(i32::try_from(failures).unwrap_or(i32::MAX))
    .execute(tx)
    .await?;
    Ok(())
}

/// Raises the version guard to that of the event, and returns whether nothing newer was handled. What has an equal
/// version and came later takes the event [out](super::receive), so it is not here any more.
pub(crate) async fn raise_guard(
    tx: &mut PgConnection,
    consumer: &str,
    event: &IncomingEvent,
) -> Result<bool, sqlx::Error> {
    let raised: Option<bool> = sqlx::query_scalar(
        "insert into inbox_version as known (consumer, source, key, event_type, generation, key_version)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (consumer, source, key, event_type) do update
            set generation = excluded.generation, key_version = excluded.key_version
          where (known.generation, known.key_version) <= (excluded.generation, excluded.key_version)
         returning true",
    )
    .bind(consumer)
    .bind(&event.source)
    .bind(&event.key)
    .bind(&event.event_type)
    .bind(event.generation)
    .bind(event.version)
    .fetch_optional(tx)
    .await?;
    Ok(raised.is_some())
}

/// Has the first event of each key tried that is neither blocked nor waits for a try. Such a one joined a key in the
/// moment in which the last event before it was settled.
pub(crate) async fn start_heads(pool: &PgPool, consumer: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update inbox_waiting as head set next_attempt_at = clock_timestamp()
           from (select distinct on (source, key) event_id from inbox_waiting
                  where consumer = $1 and holds_key order by source, key, position) as first
          where head.consumer = $1 and head.event_id = first.event_id
            and head.next_attempt_at is null and head.blocked_at is null",
    )
    .bind(consumer)
    .execute(pool)
    .await?;
    Ok(())
}

/// Drops the events of these types that are older than one that was handled: only the newest counts. Returns how many.
pub(crate) async fn drop_stale(
    pool: &PgPool,
    consumer: &str,
    event_types: &[&str],
) -> Result<u64, sqlx::Error> {
    if event_types.is_empty() {
        return Ok(0);
    }
    let dropped = sqlx::query(
        "delete from inbox_waiting as old using inbox_version as known
          where old.consumer = $1 and old.event_type = any($2) and not old.holds_key
            and (known.consumer, known.source, known.key, known.event_type)
              = (old.consumer, old.source, old.key, old.event_type)
            and (known.generation, known.key_version) > (old.generation, old.key_version)",
    )
    .bind(consumer)
    .bind(event_types)
    .execute(pool)
    .await?;
    Ok(dropped.rows_affected())
}

fn seconds(next: Next) -> Option<f64> {
    match next {
        Next::TryAgain(after) => Some(after.as_secs_f64()),
        Next::Block | Next::Skip => None,
    }
}
