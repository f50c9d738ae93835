//! Hours instead of seconds: 70 % of the highest rate, with a kill every 30 seconds. Nothing may grow that
//! should not.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use shop::home::Service;
use shop::suite::Name;
use shop::terminal::Progress;

use super::cart::sustained;
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
    let rate = sustained(stage, Duration::from_secs(cli.seconds())).await? * 0.7;
    progress.say(format!("  … soaking at {rate:.0} changes a second for {} min", cli.minutes));
    let (meter, begun, time) = (Meter::start(), Instant::now(), Duration::from_secs(cli.minutes * 60));
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
    stage.until_published().await?;
    let alerts = async || -> Result<i64> {
        Ok(sqlx::query_scalar("select count(*) from alert where created_at > now() - interval '1 day'")
            .fetch_one(&stage.basket)
            .await?)
    };
    let (mut last, ended) = (-1, Instant::now());
    while last != alerts().await? {
        ensure!(ended.elapsed() < Duration::from_mins(2), "the consumer does not come to rest");
        last = alerts().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (announced, applied): (i64, i64) = (
        sqlx::query_scalar("select count(*) from integration_event_log").fetch_one(&stage.catalog).await?,
        sqlx::query_scalar("select count(*) from inbox").fetch_one(&stage.basket).await?,
    );
    let foreign = meter.foreign();
    progress.say(format!("  … {sent} changes, {kills} kills, {announced} announced, {applied} received"));
    // The first third is warming up; what grows after it goes on growing.
    let grown = |value: &dyn Fn(&Sample) -> f64| {
        let values: Vec<f64> = samples.iter().map(value).collect();
        let third = values.len() / 3;
        let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let over_time =
            values.iter().enumerate().map(|(n, value)| (format!("{} s", (n + 1) * 10), *value)).collect();
        (
            highest(&values[values.len() - third..]),
            highest(&values[third..values.len() - third]).max(1.0),
            over_time,
        )
    };
    let mut rows = vec![Row::alone(
        "soak: events lost",
        "events",
        &[(announced - applied) as f64],
        Target::AtMost(0.0),
        foreign,
    )];
    for (place, name) in ["catalog", "basket", "relay"].iter().enumerate() {
        let (late, early, over_time) = grown(&|sample| sample.memory[place]);
        let row = Row::against(
            format!("soak: memory of {name}, last third"),
            "MiB",
            (&[late], &[early]),
            "second third",
            Target::AtMost(1.1),
            foreign,
        );
        rows.push(row.grown(over_time));
        let (late, early, _) = grown(&|sample| sample.handles[place] as f64);
        rows.push(Row::against(
            format!("soak: handles of {name}, last third"),
            "handles",
            (&[late], &[early]),
            "second third",
            Target::AtMost(1.1),
            foreign,
        ));
    }
    let (late, early, _) = grown(&|sample| sample.connections as f64);
    rows.push(Row::against(
        "soak: connections to PostgreSQL, last third",
        "connections",
        (&[late], &[early]),
        "second third",
        Target::AtMost(1.1),
        foreign,
    ));
    let (late, early, over_time) = grown(&|sample| sample.dead_rows as f64);
    rows.push(
        Row::against(
            "soak: dead rows of the log, last third",
            "rows",
            (&[late], &[early]),
            "second third",
            Target::AtMost(1.5),
            foreign,
        )
        .grown(over_time),
    );
    Ok(rows)
}

/// Changes prices at this rate; a service that is away for a moment is tried again.
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
                connection.call(&change_price(&token, count * 16 + client)).await?;
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
