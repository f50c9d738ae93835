//! Hours instead of seconds: 70 % of the highest rate, with a kill every 30 seconds. Nothing may grow that
//! should not.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use shop::home::Service;
use shop::suite::Name;
use shop::terminal::Progress;

use super::cart::sustained;
use super::warm_up;
use super::writes::change_price;
use crate::cli::Cli;
use crate::figures::{Row, Target};
use crate::machine::{Meter, handles, resident_mib};
use crate::stage::{Client, Stage};

const FAULT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(10);
const SERVICES: [Name; 3] = [Name::Catalog, Name::Basket, Name::Relay(1)];

/// What is looked at.
struct Sample {
    memory: [f64; 3],
    handles: [usize; 3],
    connections: i64,
    dead_rows: i64,
}

pub(super) async fn measure(stage: &mut Stage, cli: &Cli, progress: &Progress) -> Result<Vec<Row>> {
    stage.clear_log().await?;
    stage.reset_carts(1).await?;
    stage.run_only(&SERVICES)?;
    let before: &Stage = stage;
    warm_up(async || sustained(before, Duration::from_secs(1)).await).await?;
    let rate = sustained(stage, Duration::from_secs(cli.seconds())).await? * 0.7;
    progress.say(format!("  … soaking at {rate:.0} changes a second for {} min", cli.minutes));
    let (meter, begun, time) = (Meter::start(), Instant::now(), Duration::from_mins(cli.minutes));
    let load = tokio::spawn(load(stage.port(Service::Catalog)?, stage.token.clone(), rate, time));
    let (mut samples, mut looked, mut killed, mut kills) = (Vec::new(), begun, begun, 0_usize);
    while begun.elapsed() < time {
        stage.check()?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if looked.elapsed() > LOOK {
            samples.push(look(stage).await?);
            looked = Instant::now();
        }
        if killed.elapsed() > FAULT {
            let name = [Name::Relay(1), Name::Basket][kills % 2];
            stage.kill(name)?;
            stage.start(name)?;
            (killed, kills) = (Instant::now(), kills + 1);
        }
    }
    let sent = load.await??;
    let (announced, received) = come_to_rest(stage).await?;
    progress.say(format!("  … {sent} changes, {kills} kills, {announced} announced, {received} received"));
    let foreign = meter.foreign();
    let lost = [(announced - received) as f64];
    let mut rows = vec![Row::alone("soak: events lost", "events", &lost, Target::AtMost(0.0), foreign)];
    for (place, name) in ["catalog", "basket", "relay"].iter().enumerate() {
        let memory: Vec<f64> = samples.iter().map(|sample| sample.memory[place]).collect();
        rows.push(steady(format!("soak: memory of {name}"), "MiB", &memory, foreign));
        let handles: Vec<f64> = samples.iter().map(|sample| sample.handles[place] as f64).collect();
        rows.push(steady(format!("soak: handles of {name}"), "handles", &handles, foreign));
    }
    let connections: Vec<f64> = samples.iter().map(|sample| sample.connections as f64).collect();
    rows.push(steady("soak: connections to PostgreSQL".to_owned(), "connections", &connections, foreign));
    let dead: Vec<f64> = samples.iter().map(|sample| sample.dead_rows as f64).collect();
    rows.push(steady("soak: dead rows of the log".to_owned(), "rows", &dead, foreign));
    Ok(rows)
}

/// The highest of the last third against the highest of the second: the first is warming up, and what still
/// grows after it goes on growing.
fn steady(name: String, unit: &'static str, values: &[f64], foreign: f64) -> Row {
    let third = values.len() / 3;
    let highest = |values: &[f64]| values.iter().copied().fold(1.0, f64::max);
    let (late, early) = (highest(&values[2 * third..]), highest(&values[third..2 * third]));
    let over_time = values.iter().enumerate();
    let over_time = over_time.map(|(n, value)| (format!("{} s", (n as u64 + 1) * LOOK.as_secs()), *value));
    let figures = ([late], [early]);
    let figures = (figures.0.as_slice(), figures.1.as_slice());
    Row::against(name, unit, figures, "the third before", Target::AtMost(1.25), foreign)
        .grown(over_time.collect())
}

/// Waits until nothing moves any more; returns how many events were announced, and how many received.
async fn come_to_rest(stage: &Stage) -> Result<(i64, i64)> {
    stage.until_published().await?;
    let ended = Instant::now();
    let mut before = -1;
    loop {
        let announced: i64 = sqlx::query_scalar("select count(*) from integration_event_log")
            .fetch_one(&stage.catalog)
            .await?;
        let received: i64 = sqlx::query_scalar("select count(*) from inbox").fetch_one(&stage.basket).await?;
        if received == announced || received == before {
            return Ok((announced, received));
        }
        ensure!(ended.elapsed() < Duration::from_mins(2), "the consumer does not come to rest");
        before = received;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// Changes prices at this rate; a service that cannot answer is tried again. Returns how many were answered.
async fn load(port: u16, token: String, rate: f64, time: Duration) -> Result<usize> {
    let begun = Instant::now();
    let clients = (0..16_usize).map(|client| {
        let token = token.clone();
        tokio::spawn(async move {
            let mut connection = Client::connect(port).await?;
            let mut count = 0_usize;
            while begun.elapsed() < time {
                let due = Duration::from_secs_f64(count as f64 * 16.0 / rate);
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
                if connection.call(&change_price(&token, count * 16 + client)).await.is_err() {
                    // Whether it happened is not known; what was announced counts.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    connection = Client::connect(port).await?;
                    continue;
                }
                count += 1;
            }
            anyhow::Ok(count)
        })
    });
    futures_util::future::try_join_all(clients).await?.into_iter().sum()
}

async fn look(stage: &Stage) -> Result<Sample> {
    let pids = [stage.pid(SERVICES[0])?, stage.pid(SERVICES[1])?, stage.pid(SERVICES[2])?];
    let connections = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and usename <> 'postgres'",
    );
    let dead = sqlx::query_scalar(
        "select n_dead_tup from pg_stat_user_tables where relname = 'integration_event_log'",
    );
    Ok(Sample {
        memory: pids.map(resident_mib),
        handles: pids.map(handles),
        connections: connections.fetch_one(&stage.catalog).await?,
        dead_rows: dead.fetch_one(&stage.catalog).await?,
    })
}
