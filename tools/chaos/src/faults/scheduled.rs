//! Scheduled events, while relays are killed.

use std::{collections::HashSet, time::Duration};

use anyhow::{Result, ensure};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, Injection, Target, injection};
use crate::{check::ONLY_RECORDED, run::set};
use harness::{Environment, Name, until};

/// How many events are scheduled, and how many of them a producer tries to cancel.
const EVENTS: usize = 400;
const CANCELLED: usize = 100;

/// The last is due after so long.
const SPAN: Duration = Duration::from_secs(8);

const LIMIT: Duration = Duration::from_secs(20);

const RELAYS: u8 = 3;

pub(super) const FAULTS: &[Fault] = faults! {
    relay: "scheduled-events" [3, 1]
        "scheduled events become due, and some are cancelled, while relays are killed" => scheduled;
};

async fn scheduled(target: &mut Target<'_>) -> Result<Injection> {
    let ids: Vec<Uuid> = (0..EVENTS).map(|_| Uuid::now_v7()).collect();
    let dues = schedule(target.environment, &ids, SPAN).await?;
    let until_due = Instant::now() + SPAN;
    let mut cancelled = HashSet::new();
    let mut kills = 0;
    for some in ids.chunks(EVENTS / CANCELLED).take(CANCELLED).collect::<Vec<_>>().chunks(CANCELLED / 8) {
        let first: Vec<Uuid> = some.iter().filter_map(|group| group.first().copied()).collect();
        cancelled.extend(cancel(target.environment, &first).await?);
        let relay = Name::Relay(target.rng.u8(1..=RELAYS));
        target.environment.kill(relay)?;
        target.hold(0.3..=0.8).await;
        target.environment.launch(relay, &[])?;
        kills += 1;
    }
    tokio::time::sleep_until(until_due).await;
    let healed = Instant::now();
    let announced: Vec<Uuid> = ids.iter().copied().filter(|id| !cancelled.contains(id)).collect();
    let all_seen = async || Ok(target.recorder.has_seen(&announced).then_some(()));
    let all_seen = until(LIMIT, Duration::from_millis(50), all_seen).await?;
    ensure!(all_seen.is_some(), "not all of {} scheduled events are announced", announced.len());
    for id in &cancelled {
        ensure!(target.recorder.first_seen(*id).is_none(), "{id} is announced and was cancelled");
    }
    let logged: Vec<(Uuid, f64)> = sqlx::query_as(
        "select event_id, extract(epoch from created_at)::float8 from integration_event_log where event_id = any($1)",
    )
    .bind(&ids)
    .fetch_all(&target.environment.catalog)
    .await?;
    ensure!(
        set(logged.iter().map(|(id, _)| *id)) == set(announced),
        "other events are in the log than announced"
    );
    for (id, at) in logged {
        let due = dues.iter().find(|(other, _)| *other == id).map_or(f64::INFINITY, |(_, due)| *due);
        ensure!(at >= due, "{id} entered the log {:.3} s before it was due", due - at);
    }
    ensure!(!cancelled.is_empty(), "nothing could be cancelled");
    Ok(injection(kills, healed))
}

/// Schedules events for random moments from now on. Returns when each is due, in seconds since 1970.
pub(super) async fn schedule(
    environment: &Environment,
    ids: &[Uuid],
    span: Duration,
) -> Result<Vec<(Uuid, f64)>> {
    let rows = sqlx::query_as(
        "insert into outbox_scheduled (scheduled_id, due, event_type, key, payload)
         select id, clock_timestamp() + make_interval(secs => $3 * random()), $2, 'chaos-later-' || n % 31, '{}'
           from unnest($1::uuid[]) with ordinality as row (id, n)
         returning scheduled_id, extract(epoch from due)::float8",
    );
    let rows = rows.bind(ids).bind(ONLY_RECORDED).bind(span.as_secs_f64());
    Ok(rows.fetch_all(&environment.catalog).await?)
}

/// Cancels events, as a producer does. Returns those that had not been announced.
async fn cancel(environment: &Environment, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let cancelled = "delete from outbox_scheduled where scheduled_id = any($1) returning scheduled_id";
    Ok(sqlx::query_scalar(cancelled).bind(ids).fetch_all(&environment.catalog).await?)
}
