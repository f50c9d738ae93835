//! A great many pending events, published while three relays are killed, frozen and ended.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use shop::terminal::complain;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, Injection, Target, injection};
use crate::{
    check::ONLY_RECORDED,
    run::{pending, strike_relays},
};
use harness::{Environment, Name, memory, until};

/// Rows of one transaction.
const AT_ONCE: u32 = 10_000;

/// Keys that they are about.
const KEYS: u32 = 1_009;

/// How long a thousand events may take: much of the time their partitions have no owner.
const LIMIT: Duration = Duration::from_secs(10);

const RELAYS: u8 = 3;

/// How many events there will be.
static EVENTS: AtomicU32 = AtomicU32::new(50_000);

pub(super) const FAULTS: &[Fault] = faults! {
    messages: "flood" [3, 1]
        "events by the ten thousand are pending while three relays are killed, frozen and ended" => inject;
};

/// Has the flood be of so many events.
pub(crate) fn flood_of(events: u32) {
    EVENTS.store(events, Ordering::Relaxed);
}

async fn inject(target: &mut Target<'_>) -> Result<Injection> {
    let events = EVENTS.load(Ordering::Relaxed);
    let first = last_position(target.environment).await?;
    let mut written = 0;
    while written < events {
        target.environment.interrupt.check()?;
        let some = AT_ONCE.min(events - written);
        write(target.environment, ONLY_RECORDED, KEYS, written, some).await?;
        written += some;
    }
    let waiting = pending(target.environment).await?;
    complain(format!("    {written} events written, {waiting} of them pending"));
    let deadline = Instant::now() + LIMIT * (events / 1_000);
    let (mut injected, mut told) = (0, Instant::now());
    while pending(target.environment).await? > i64::from(AT_ONCE / 2) {
        target.environment.interrupt.check()?;
        ensure!(Instant::now() < deadline, "{} events are still pending", pending(target.environment).await?);
        strike_relays(target, RELAYS).await?;
        weigh(target);
        injected += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            complain(format!(
                "    {injected} relays injected, {} events pending",
                pending(target.environment).await?
            ));
        }
    }
    let healed = Instant::now();
    let ids = "select event_id from integration_event_log where event_type = $1 and position > $2";
    let ids: Vec<Uuid> = sqlx::query_scalar(ids)
        .bind(ONLY_RECORDED)
        .bind(first)
        .fetch_all(&target.environment.catalog)
        .await?;
    ensure!(ids.len() == events as usize, "{} of {events} events are in the log", ids.len());
    // The recorder may be behind; what it never sees is for the checks to say.
    let all_seen = async || Ok(target.recorder.has_seen(&ids).then_some(()));
    until(deadline - Instant::now(), Duration::from_millis(500), all_seen).await?;
    Ok(injection(injected, healed))
}

/// Notes how much memory relays and baskets have just now.
fn weigh(target: &mut Target<'_>) {
    let services = target.environment.services().filter(|(service, _)| *service != Name::CATALOG);
    let heaviest = services.map(|(_, process)| memory(process.identity.pid)).max();
    *target.heaviest = (*target.heaviest).max(heaviest.unwrap_or(0));
}

/// Writes rows of one type, about so many keys of its own, as the catalog's role, in one transaction, each key's versions in order.
pub(crate) async fn write(
    environment: &Environment,
    event_type: &str,
    keys: u32,
    after: u32,
    rows: u32,
) -> Result<()> {
    let mut tx = environment.catalog.begin().await?;
    sqlx::query("set local role catalog_app").execute(&mut *tx).await?;
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         select gen_random_uuid(), $1, 'chaos-' || $1 || n % $2, 1 + n / $2, n % $2 % 64,
                ('{\"filling\":\"' || repeat('x', 400) || '\"}')::json
           from generate_series($3::int8, $3 + $4 - 1) as n order by n",
    )
    .bind(event_type)
    .bind(i64::from(keys))
    .bind(i64::from(after))
    .bind(i64::from(rows))
    .execute(&mut *tx)
    .await
    .context("cannot write events as the catalog")?;
    tx.commit().await?;
    Ok(())
}

async fn last_position(environment: &Environment) -> Result<i64> {
    let last = "select coalesce(max(position), 0) from integration_event_log";
    Ok(sqlx::query_scalar(last).fetch_one(&environment.catalog).await?)
}
