//! Draining where the log has a long history, where a held transaction stops vacuum, and where a million
//! events are pending; and memory meanwhile.

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::Name;

use super::drain::drain;
use crate::cli::Cli;
use crate::environment::{BACKLOG_TYPE, Environment, Queue};
use crate::figures::{Row, Target};
use crate::machine::{Meter, mebibytes};

/// What a consumer of prices listens to; the basket takes these for what they are: malformed or not.
const PRICE_CHANGED: &str = "shop.catalog.product_price_changed.v1";

/// How often each is measured at most: the set-up is what takes long.
const ROUNDS: usize = 3;

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    let (count, rounds) = (cli.scaled(50_000), cli.rounds().min(ROUNDS));
    let least = Target::AtLeast(0.9);
    let queue = Queue::declare(&environment.broker.url, "bench.backlog", BACKLOG_TYPE).await?;
    environment.run_only(&[Name::RELAY]).await?;
    drain(environment, &queue, count / 5).await?;

    let meter = Meter::start();
    let (mut empty, mut held) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        environment.clear_log().await?;
        queue.purge().await?;
        empty.push(drain(environment, &queue, count).await?);
        environment.clear_log().await?;
        queue.purge().await?;
        let mut holder = environment.catalog.begin().await?;
        sqlx::query("set transaction isolation level repeatable read").execute(&mut *holder).await?;
        sqlx::query("select txid_current()").execute(&mut *holder).await?;
        // Dead rows stay: the transaction might still read them.
        drain(environment, &queue, count).await?;
        queue.purge().await?;
        held.push(drain(environment, &queue, count).await?);
        holder.rollback().await?;
    }
    let mut rows = vec![Row::against(
        "drain while a transaction is held open",
        "events/s",
        (&held, &empty),
        "an empty log",
        least,
        meter.foreign(),
    )];

    let meter = Meter::start();
    let million = cli.scaled(1_000_000);
    let mut pending = Vec::new();
    environment.stop(Name::RELAY).await?;
    environment.clear_log().await?;
    queue.purge().await?;
    environment.add_backlog(million, BACKLOG_TYPE).await?;
    environment.start(Name::RELAY).await?;
    for round in 1..=rounds {
        let (already, begun) = (queue.depth().await?, Instant::now());
        queue.until(already + u32::try_from(count)?, Duration::from_mins(2)).await?;
        pending.push(f64::from(queue.depth().await? - already) / begun.elapsed().as_secs_f64());
        if round == rounds {
            environment.stop(Name::RELAY).await?;
        }
    }
    let name = format!("drain with {million} pending");
    rows.push(Row::against(name, "events/s", (&pending, &empty), "an empty log", least, meter.foreign()));
    rows.extend(memory(environment, cli, million).await?);
    rows.push(with_history(environment, cli, &queue, &empty).await?);
    Ok(rows)
}

/// Resident memory of the relay and of the basket while a million price changes come.
async fn memory(environment: &mut Environment, cli: &Cli, million: i64) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         select gen_random_uuid(), $2, product_id::text, n + version, product_id % 64,
                json_build_object('productId', product_id, 'name', name, 'oldPrice', price::text,
                    'newPrice', (n % 90 + 10) || '.50', 'currency', 'EUR', 'version', n + version)
           from generate_series(1, $1 / 1000) as n, product where product_id > 10000",
    )
    .bind(million)
    .bind(PRICE_CHANGED)
    .execute(&environment.catalog)
    .await?;
    environment.reset_carts(0).await?;
    let meter = Meter::start();
    environment.run_only(&[Name::BASKET, Name::RELAY]).await?;
    let (mut relay, mut basket) = (Vec::new(), Vec::new());
    for _ in 0..cli.seconds() * 10 {
        environment.interrupt.check()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        relay.push(mebibytes(environment.pid(Name::RELAY)?));
        basket.push(mebibytes(environment.pid(Name::BASKET)?));
    }
    environment.run_only(&[]).await?;
    let foreign = meter.foreign();
    Ok([("relay", relay), ("basket", basket)]
        .map(|(name, measured)| {
            let name = format!("memory of {name}, {million} pending, highest");
            let highest = measured.iter().copied().fold(0.0, f64::max);
            let over_time = measured.iter().step_by(8).enumerate();
            let over_time = over_time.map(|(n, mib)| (format!("after {} s", n * 4), *mib)).collect();
            Row::alone(name, "MiB", &[highest], Target::AtMost(64.0), foreign).grown(over_time)
        })
        .into())
}

/// Draining what comes after a long history that is published.
async fn with_history(environment: &mut Environment, cli: &Cli, queue: &Queue, empty: &[f64]) -> Result<Row> {
    let published = cli.history.unwrap_or(if cli.quick { 200_000 } else { 10_000_000 });
    let count = cli.scaled(50_000);
    environment.clear_log().await?;
    queue.purge().await?;
    // Two at once: it takes minutes as it is.
    let half = |first: i64, last: i64| {
        sqlx::query(
            "insert into integration_event_log
                 (event_id, event_type, key, key_version, partition, payload, state, times_sent, published_at)
             select (lpad(to_hex(1763800000000 + n), 12, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid,
                    $3, n % 5000, n, n % 64, '{\"number\":0}'::json, 'Published', 1, now()
               from generate_series($1, $2) as n",
        )
        .bind(first)
        .bind(last)
        .bind(BACKLOG_TYPE)
        .execute(&environment.catalog)
    };
    tokio::try_join!(half(1, published / 2), half(published / 2 + 1, published))?;
    sqlx::raw_sql("vacuum analyze integration_event_log").execute(&environment.catalog).await?;
    environment.run_only(&[Name::RELAY]).await?;
    let meter = Meter::start();
    let mut long = Vec::new();
    for _ in 0..cli.rounds().min(ROUNDS) {
        environment.interrupt.check()?;
        long.push(drain(environment, queue, count).await?);
        queue.purge().await?;
    }
    environment.run_only(&[]).await?;
    let foreign = meter.foreign();
    environment.clear_log().await?;
    let name = format!("drain with {published} published rows");
    Ok(Row::against(name, "events/s", (&long, empty), "an empty log", Target::AtLeast(0.9), foreign))
}
