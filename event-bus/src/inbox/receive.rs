//! Enters deliveries in the inbox, in the transaction of their effect.

use std::collections::HashMap;

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::envelope::IncomingEvent;

/// What a delivery is to this consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receipt {
    /// Received for the first time, and newer than all known events of its key: to be handled.
    First,
    /// Known, and delivered again with the broker's flag: to be acknowledged.
    RedeliveredKnown,
    /// Known, and delivered without the flag: to be acknowledged. A relay died between confirm and mark, or the
    /// message came through a dead-letter exchange, which clears the flag.
    Repeated,
    /// Received for the first time, but older than a known event of its key: entered, without effect.
    Stale,
}

impl Receipt {
    /// The name of the case, as metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::RedeliveredKnown => "redelivered_known",
            Self::Repeated => "repeated",
            Self::Stale => "stale",
        }
    }
}

/// Enters deliveries in their order, and returns what each of them is. One statement for any number.
///
/// A delivery is an event and the broker's redelivered flag. Where the flag is set the inbox is asked first whether
/// it knows the event; otherwise the insert decides. The version guard of each (key, type) is raised to the newest
/// version and returns the one before: sorted, so that two transactions take the rows in the same order, and read
/// under the row's lock, so that concurrent changes count.
pub async fn receive(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    deliveries: &[(&IncomingEvent, bool)],
) -> Result<Vec<Receipt>, sqlx::Error> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    if crate::without!("inbox") {
        return Ok(vec![Receipt::First; deliveries.len()]);
    }
    // Known events are not in the answer.
    let entered: Vec<(Uuid, bool, bool)> = sqlx::query_as(
        "with delivery as materialized (
             select * from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bool[])
                 with ordinality as delivery (event_id, source, event_type, key, key_version, redelivered, place)
         ), unknown as materialized (
             select * from delivery
              where event_id <> all (array(
                    select event_id from inbox where consumer = $1
                       and event_id = any (array(select event_id from delivery where redelivered))))
         ), guard as (
             insert into inbox_version as known (consumer, key, event_type, key_version)
             select $1, key, event_type, max(key_version) from unknown group by key, event_type
              order by key, event_type
             on conflict (consumer, key, event_type) do update
                set previous = known.key_version, key_version = greatest(known.key_version, excluded.key_version)
             returning key, event_type, previous
         ), judged as (
             select unknown.*, key_version > greatest(guard.previous, max(key_version) over (
                        partition by key, event_type order by place rows between unbounded preceding and 1 preceding
                    )) is not false as is_newer
               from unknown join guard using (key, event_type)
         ), entered as (
             insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
             select $1, event_id, source, event_type, key, key_version, is_newer, redelivered
               from judged order by place
             on conflict (consumer, event_id) do nothing
             returning event_id
         )
         select event_id, event_id in (select event_id from entered), is_newer from judged order by place",
    )
    .bind(consumer)
    .bind(column(deliveries, |event, _| event.id))
    .bind(column(deliveries, |event, _| event.source.as_str()))
    .bind(column(deliveries, |event, _| event.event_type.as_str()))
    .bind(column(deliveries, |event, _| event.key.as_str()))
    .bind(column(deliveries, |event, _| event.version))
    .bind(column(deliveries, |_, redelivered| redelivered))
    .fetch_all(&mut **tx)
    .await?;
    let entered =
        if crate::without!("version-guard") { apply_all(tx, consumer, entered).await? } else { entered };
    let mut entered: HashMap<Uuid, Receipt> = entered
        .into_iter()
        .rev()
        .map(|(id, is_entered, is_newer)| {
            let receipt = match (is_entered, is_newer) {
                (false, _) => Receipt::Repeated,
                (true, true) => Receipt::First,
                (true, false) => Receipt::Stale,
            };
            (id, receipt)
        })
        .collect();
    Ok(deliveries
        .iter()
        .map(|(event, _)| match entered.get_mut(&event.id) {
            // Only the first: the same event again in one batch is a repeat.
            Some(receipt) => std::mem::replace(receipt, Receipt::Repeated),
            None => Receipt::RedeliveredKnown,
        })
        .collect())
}

/// Applies stale events as well, for a test whose checks must detect that.
async fn apply_all(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    entered: Vec<(Uuid, bool, bool)>,
) -> Result<Vec<(Uuid, bool, bool)>, sqlx::Error> {
    sqlx::query("update inbox set applied = true where consumer = $1 and event_id = any($2)")
        .bind(consumer)
        .bind(entered.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
        .execute(&mut **tx)
        .await?;
    Ok(entered.into_iter().map(|(id, is_entered, _)| (id, is_entered, true)).collect())
}

fn column<'a, T>(
    deliveries: &[(&'a IncomingEvent, bool)],
    value: impl Fn(&'a IncomingEvent, bool) -> T,
) -> Vec<T> {
    deliveries.iter().map(|(event, redelivered)| value(event, *redelivered)).collect()
}
