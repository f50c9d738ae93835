//! Enters deliveries in the inbox, in the transaction of their effect.

use std::{collections::HashMap, time::Duration};

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::envelope::IncomingEvent;

/// Which events of a key have an effect, and in which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Every event, in order. An event that failed holds the later ones of its key up until it has had its effect.
    #[default]
    EveryEvent,
    /// An event older than one that was handled has no effect, and nothing waits: for copies of facts.
    LatestWins,
}

/// An event as it arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery<'a> {
    pub(crate) event: &'a IncomingEvent,
    /// The broker's redelivered flag.
    pub(crate) redelivered: bool,
    /// What its handler needs.
    pub(crate) order: Order,
    /// Whether it comes again by an operator's order after this consumer had rejected it: however old it is, it is no
    /// repeat.
    pub(crate) had_no_effect: bool,
}

/// What a delivery is to this consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// Received for the first time: to be handled.
    First {
        /// Whether it is newer than all events of its key and type that were handled.
        is_newest: bool,
    },
    /// Received for the first time, while an earlier event of its key waits: entered, to be handled after that one.
    Waiting,
    /// Known, and delivered again with the broker's flag: to be acknowledged.
    RedeliveredKnown,
    /// Known, and delivered without the flag: to be acknowledged. A relay died between confirm and mark, or the
    /// message came through a dead-letter exchange, which clears the flag.
    Repeated,
    /// Received for the first time, but older than what was handled of its key: entered, without effect. Either only
    /// the newest counts, or it is older than the inbox's retention, and so may be a repeat.
    Stale,
}

impl Receipt {
    /// One of each.
    pub(crate) const ALL: [Self; 5] =
        [Self::First { is_newest: true }, Self::Waiting, Self::RedeliveredKnown, Self::Repeated, Self::Stale];

    /// The name of the case, as metrics have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First { .. } => "first",
            Self::Waiting => "waiting",
            Self::RedeliveredKnown => "redelivered_known",
            Self::Repeated => "repeated",
            Self::Stale => "stale",
        }
    }
}

/// Why deliveries were not entered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// Another process of the consumer has entered one of them meanwhile, and perhaps has events of other keys wait:
    /// to be rolled back, and tried again.
    #[error("another process of the consumer is still at work")]
    Overtaken,
    /// Another source has sent an event of this id: it cannot be told from a repeat by the inbox, whose key is the id.
    #[error("another source has sent an event with this id")]
    Foreign,
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// An event, what it is, and whether it is newer than what was handled.
type Judged = (Uuid, String, bool);

/// Enters deliveries in their order, and returns what each of them is, in one statement for any number. Those that are
/// to wait behind earlier events of their keys have yet to [join](super::waiting::join) them.
///
/// Where the broker's flag is set the inbox is asked first whether it knows the event; otherwise the insert decides.
/// The version guard of each (source, key, type) is raised to the newest version and returns the one before: sorted,
/// so that two transactions take the rows in the same order, and read under the row's lock, so that concurrent changes
/// count. `retention` is how long rows of the inbox are kept: an event that is younger and not there is no repeat. So a
/// producer that gives several events of a key the same version loses none: of equal versions the later one is newer.
/// Where only the newest counts, an event of an equal version that waits is dropped from `inbox_waiting`. Its row is
/// locked before the guard, in the order in which a retry locks them.
pub(crate) async fn receive(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    retention: Duration,
    deliveries: &[Delivery<'_>],
) -> Result<Vec<Receipt>, ReceiveError> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    if crate::without!("inbox") {
        return Ok(vec![Receipt::First { is_newest: true }; deliveries.len()]);
    }
    let judged = enter(tx, consumer, retention, deliveries).await?;
    // Another transaction entered it and has committed since this statement began. It may have made events wait that
    // this statement did not see.
    if judged.iter().any(|(_, verdict, _)| verdict == "overtaken") {
        return Err(ReceiveError::Overtaken);
    }
    if judged.iter().any(|(_, verdict, _)| verdict == "foreign") {
        return Err(ReceiveError::Foreign);
    }
    let receipt = |verdict: &str, is_newest| match verdict {
        "waiting" => Receipt::Waiting,
        "first" => Receipt::First { is_newest },
        "stale" => Receipt::Stale,
        _ => Receipt::Repeated,
    };
    let judged = judged.into_iter().rev();
    let mut judged: HashMap<Uuid, Receipt> =
        judged.map(|(id, verdict, is_newest)| (id, receipt(&verdict, is_newest))).collect();
    let receipts = deliveries.iter().map(|delivery| match judged.get_mut(&delivery.event.id) {
        // Only the first: the same event again in one batch is a repeat.
        Some(receipt) => std::mem::replace(receipt, Receipt::Repeated),
        None => Receipt::RedeliveredKnown,
    });
    Ok(receipts.collect())
}

/// Enters deliveries that are not known, and says what each is.
async fn enter(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    retention: Duration,
    deliveries: &[Delivery<'_>],
) -> Result<Vec<Judged>, sqlx::Error> {
    // Known events are not in the answer.
    sqlx::query_as(
        "with delivery as materialized (
             select *, had_no_effect or occurred_at > now() - make_interval(secs => $14) as is_young
               from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                           $8::bool[], $9::bool[], $10::bool[], $13::timestamptz[])
                    with ordinality as delivery (event_id, source, event_type, key, generation, key_version,
                                                 redelivered, every_event, had_no_effect, occurred_at, place)
         ), unknown as materialized (
             select *, $11 and every_event and exists (
                        select from inbox_waiting as earlier
                         where earlier.consumer = $1 and earlier.source = delivery.source
                           and earlier.key = delivery.key and earlier.holds_key) as waits
               from delivery
              where (select true from inbox
                      where delivery.redelivered and consumer = $1
                        and inbox.event_id = delivery.event_id and inbox.source = delivery.source) is not true
         ), equal as materialized (
             select old.event_id, (select true from inbox where consumer = $1 and event_id = unknown.event_id) is null
                                  as is_passed
               from unknown join inbox_waiting as old
                 on old.consumer = $1 and not old.holds_key and old.event_id <> unknown.event_id
                and (old.event_type, old.source, old.key, old.generation, old.key_version)
                  = (unknown.event_type, unknown.source, unknown.key, unknown.generation, unknown.key_version)
              where is_young and not every_event
         ), passed as (
             delete from inbox_waiting
              where consumer = $1 and event_id = any (array(select event_id from equal where is_passed))
             returning event_id
         ), guard as (
             insert into inbox_version as known (consumer, source, key, event_type, generation, key_version)
             select $1, source, key, event_type, newest[1], newest[2]
               from (select source, key, event_type, max(array[generation, key_version]) as newest
                       from unknown where not waits and (select count(*) from passed) >= 0 group by source, key, event_type) as change
              order by source, key, event_type
             on conflict (consumer, source, key, event_type) do update
                set previous_generation = known.generation, previous = known.key_version,
                    generation = greatest(known.generation, excluded.generation),
                    key_version = case
                        when known.generation = excluded.generation
                            then greatest(known.key_version, excluded.key_version)
                        when known.generation > excluded.generation then known.key_version
                        else excluded.key_version end
             returning source, key, event_type,
                       case when previous is not null then array[previous_generation, previous] end as previous
         ), compared as (
             -- Null: no version was known before, so this one is the newest. $12 is false in a test alone.
             select *, ((array[generation, key_version] > before
                         or (is_young and array[generation, key_version] = before)) is not false
                        or not $12) as is_newest
               from (select unknown.*, greatest(guard.previous,
                            max(array[generation, key_version]) over (
                                partition by source, key, event_type order by place
                                rows between unbounded preceding and 1 preceding
                            )) as before
                       from unknown left join guard using (source, key, event_type)) as guarded
         ), judged as (
             select *, not waits and (is_newest or every_event and is_young) as has_effect from compared
         ), entered as (
             insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
             select $1, event_id, source, event_type, key, key_version, has_effect, redelivered
               from judged order by place
             on conflict (consumer, event_id) do nothing
             returning event_id, source
         ), outcome as (
             -- Who sent the event of this id that is in the inbox now: entered just now, or known before.
             select judged.*, entered.source = judged.source as is_entered, coalesce(entered.source, known.source) as sender
               from judged left join entered using (event_id)
                           left join lateral (select source from inbox
                                               where entered.event_id is null and consumer = $1
                                                 and event_id = judged.event_id limit 1) as known on true
         )
         select event_id, case when is_entered and waits then 'waiting'
                               when is_entered and has_effect then 'first'
                               when is_entered then 'stale'
                               when sender = source then 'repeated'
                               when sender is not null then 'foreign'
                               else 'overtaken' end, is_newest
           from outcome order by place",
    )
    .bind(consumer)
    .bind(column(deliveries, |delivery| delivery.event.id))
    .bind(column(deliveries, |delivery| delivery.event.source.as_str()))
    .bind(column(deliveries, |delivery| delivery.event.event_type.as_str()))
    .bind(column(deliveries, |delivery| delivery.event.key.as_str()))
    .bind(column(deliveries, |delivery| delivery.event.generation))
    .bind(column(deliveries, |delivery| delivery.event.version))
    .bind(column(deliveries, |delivery| delivery.redelivered))
    .bind(column(deliveries, |delivery| delivery.order == Order::EveryEvent))
    .bind(column(deliveries, |delivery| delivery.had_no_effect))
    .bind(!crate::without!("waiting"))
    .bind(!crate::without!("version-guard"))
    .bind(column(deliveries, |delivery| delivery.event.occurred_at))
    .bind(retention.as_secs_f64())
    .fetch_all(&mut **tx)
    .await
}

pub(super) fn column<'a, T>(deliveries: &[Delivery<'a>], value: impl Fn(Delivery<'a>) -> T) -> Vec<T> {
    deliveries.iter().map(|delivery| value(*delivery)).collect()
}
