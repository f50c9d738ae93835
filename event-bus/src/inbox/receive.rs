//! Entering deliveries in the inbox, in the transaction of their effect.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::envelope::Incoming;

/// What a delivery is to this consumer. Each case is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// Seen for the first time, and newer than what is known of its key: to be handled.
    First,
    /// Delivered again by the broker, flag set, and known: acknowledged without touching anything.
    RedeliveredKnown,
    /// Known, although the flag is not set: sent a second time by a relay that died between confirm and
    /// mark, or come back through a dead-letter exchange, which clears the flag.
    Repeated,
    /// Seen for the first time, but older than what is known of its key: entered, without effect.
    Stale,
}

impl Receipt {
    /// The case, as a metric's label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::RedeliveredKnown => "redelivered_known",
            Self::Repeated => "repeated",
            Self::Stale => "stale",
        }
    }
}

/// Enters deliveries, in their order, and says what each of them is.
///
/// Where the broker's flag is set on any of them, the inbox is asked first which of those it knows.
/// For the others the insert itself decides.
pub(crate) async fn receive(
    tx: &mut PgConnection,
    consumer: &str,
    deliveries: &[(&Incoming, bool)],
) -> Result<Vec<Receipt>, sqlx::Error> {
    let known = known_redelivered(tx, consumer, deliveries).await?;
    let unknown: Vec<_> = deliveries.iter().filter(|(event, _)| !known.contains(&event.id)).collect();
    let newer = advance_all(tx, consumer, unknown.iter().map(|(event, _)| *event)).await?;
    let mut entered = enter(tx, consumer, &unknown, &newer).await?;
    Ok(deliveries
        .iter()
        .map(|(event, redelivered)| {
            if *redelivered && known.contains(&event.id) {
                Receipt::RedeliveredKnown
            } else if !entered.remove(&event.id) {
                Receipt::Repeated
            } else if newer.contains(&event.id) {
                Receipt::First
            } else {
                Receipt::Stale
            }
        })
        .collect())
}

async fn known_redelivered(
    tx: &mut PgConnection,
    consumer: &str,
    deliveries: &[(&Incoming, bool)],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let redelivered: Vec<Uuid> =
        deliveries.iter().filter(|(_, redelivered)| *redelivered).map(|(event, _)| event.id).collect();
    if redelivered.is_empty() {
        return Ok(HashSet::new());
    }
    let known: Vec<Uuid> =
        sqlx::query_scalar("select event_id from inbox where consumer = $1 and event_id = any($2)")
            .bind(consumer)
            .bind(redelivered)
            .fetch_all(tx)
            .await?;
    Ok(known.into_iter().collect())
}

/// Raises the version guard to the newest version of each (key, type), and returns the events that were
/// newer than what was known before them.
async fn advance_all<'a>(
    tx: &mut PgConnection,
    consumer: &str,
    events: impl Iterator<Item = &'a Incoming> + Clone,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let mut newest: HashMap<(&str, &str), i64> = HashMap::new();
    for event in events.clone() {
        let version = newest.entry((&event.key, &event.event_type)).or_insert(event.version);
        *version = event.version.max(*version);
    }
    if newest.is_empty() {
        return Ok(HashSet::new());
    }
    let (mut keys, mut types, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for ((key, event_type), version) in &newest {
        keys.push(*key);
        types.push(*event_type);
        versions.push(*version);
    }
    // Sorted, so that two transactions take the rows in the same order. What a row was before is read
    // under its lock: whoever raised it meanwhile is counted in.
    let guard: Vec<(String, String, Option<i64>)> = sqlx::query_as(
        "insert into inbox_version as known (consumer, key, event_type, key_version)
         select $1, * from unnest($2::text[], $3::text[], $4::bigint[]) as event (key, event_type, key_version)
          order by key, event_type
         on conflict (consumer, key, event_type) do update
            set previous = known.key_version, key_version = greatest(known.key_version, excluded.key_version)
         returning key, event_type, previous",
    )
    .bind(consumer)
    .bind(&keys)
    .bind(&types)
    .bind(&versions)
    .fetch_all(tx)
    .await?;

    let before = |(key, event_type, previous): &(String, String, Option<i64>)| {
        ((key.clone(), event_type.clone()), previous.unwrap_or(i64::MIN))
    };
    let mut known: HashMap<(String, String), i64> = guard.iter().map(before).collect();
    let mut newer = HashSet::new();
    for event in events {
        let Some(version) = known.get_mut(&(event.key.clone(), event.event_type.clone())) else { continue };
        if event.version > *version {
            *version = event.version;
            newer.insert(event.id);
        }
    }
    Ok(newer)
}

/// Writes the inbox rows and returns those that were not there before.
async fn enter(
    tx: &mut PgConnection,
    consumer: &str,
    events: &[&(&Incoming, bool)],
    newer: &HashSet<Uuid>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    let entered: Vec<Uuid> = sqlx::query_scalar(
        "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         select $1, * from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bool[], $8::bool[])
         on conflict (consumer, event_id) do nothing
         returning event_id",
    )
    .bind(consumer)
    .bind(events.iter().map(|(event, _)| event.id).collect::<Vec<_>>())
    .bind(events.iter().map(|(event, _)| event.source.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|(event, _)| event.event_type.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|(event, _)| event.key.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|(event, _)| event.version).collect::<Vec<_>>())
    .bind(events.iter().map(|(event, _)| newer.contains(&event.id)).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, redelivered)| *redelivered).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(entered.into_iter().collect())
}
