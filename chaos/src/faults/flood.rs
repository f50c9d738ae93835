//! A great many pending events, published while three relays are killed, frozen and ended.

use std::{sync::OnceLock, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{
    check::ONLY_PROBED,
    run::{act, pending, strike_relays},
    stage::Stage,
};

/// How many events, where nobody says how many.
const EVENTS: u32 = 50_000;

/// Rows of one transaction.
const AT_ONCE: u32 = 10_000;

/// Keys that they are about.
const KEYS: u32 = 1_009;

/// What a thousand events may take, at the slowest: much of the time nobody owns their partitions.
const PATIENCE: Duration = Duration::from_secs(10);

const RELAYS: u8 = 3;

static SIZE: OnceLock<u32> = OnceLock::new();

pub(super) const FAULTS: &[Fault] = &[fault!(
    "flood",
    "messages",
    [3, 1],
    "50,000 events are pending while three relays are killed, frozen and ended",
    |scene| strike(scene)
)];

/// The same fault with so many events.
pub(crate) fn flood(events: u32) -> Result<Vec<Fault>> {
    SIZE.set(events).ok().context("the flood has its size already")?;
    let about = "events by the hundred thousand are pending while three relays are killed, frozen and ended";
    Ok(FAULTS.iter().map(|fault| Fault { about, ..*fault }).collect())
}

async fn strike(scene: &mut Scene<'_>) -> Result<Act> {
    let events = *SIZE.get_or_init(|| EVENTS);
    let first = last_position(scene.stage).await?;
    let mut written = 0;
    while written < events {
        scene.stage.interrupt.check()?;
        let some = AT_ONCE.min(events - written);
        write(scene.stage, written, some).await?;
        written += some;
    }
    let waiting = pending(scene.stage).await?;
    eprintln!("    {written} events written, {waiting} of them pending");
    let deadline = Instant::now() + PATIENCE * (events / 1_000);
    let (mut struck, mut told) = (0, Instant::now());
    while pending(scene.stage).await? > i64::from(AT_ONCE / 2) {
        scene.stage.interrupt.check()?;
        ensure!(Instant::now() < deadline, "{} events are still pending", pending(scene.stage).await?);
        strike_relays(scene, RELAYS).await?;
        struck += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            eprintln!("    {struck} relays struck, {} events pending", pending(scene.stage).await?);
        }
    }
    let healed = Instant::now();
    let there: i64 = sqlx::query_scalar(
        "select count(*) from integration_event_log where event_type = $1 and position > $2",
    )
    .bind(ONLY_PROBED)
    .bind(first)
    .fetch_one(&scene.stage.catalog)
    .await?;
    ensure!(there == i64::from(events), "{there} of {events} events are in the log");
    Ok(act(struck, healed))
}

/// Writes rows as the catalog's role, in one transaction, each key's versions in order.
async fn write(stage: &Stage, after: u32, rows: u32) -> Result<()> {
    let mut tx = stage.catalog.begin().await?;
    sqlx::query("set local role catalog_app").execute(&mut *tx).await?;
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         select gen_random_uuid(), $1, 'chaos-' || n % $2, 1 + n / $2, n % $2 % 64,
                ('{\"filling\":\"' || repeat('x', 400) || '\"}')::json
           from generate_series($3::int8, $3 + $4 - 1) as n order by n",
    )
    .bind(ONLY_PROBED)
    .bind(i64::from(KEYS))
    .bind(i64::from(after))
    .bind(i64::from(rows))
    .execute(&mut *tx)
    .await
    .context("cannot write events as the catalog")?;
    tx.commit().await?;
    Ok(())
}

async fn last_position(stage: &Stage) -> Result<i64> {
    let last = "select coalesce(max(position), 0) from integration_event_log";
    Ok(sqlx::query_scalar(last).fetch_one(&stage.catalog).await?)
}
