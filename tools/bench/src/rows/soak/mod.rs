//! Hours instead of seconds: 70 % of the highest rate, with a fault every 30 seconds. Nothing may grow that
//! should not.

mod fault;
mod sample;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::Name;
use shop::terminal::Progress;

use self::fault::Faults;
use super::cart::sustained;
use super::warm_up;
use super::writes::change_price;
use crate::cli::Cli;
use crate::environment::{Client, Environment};
use crate::figures::{Row, Target};
use crate::machine::Meter;

const EVERY: Duration = Duration::from_secs(10);

const RELAY: Name = Name::RELAY;
/// Shares the work, and is killed now and then.
const OTHER_RELAY: Name = Name::Relay(2);
/// Those whose memory and handles are watched: they live from the beginning to the end.
const WATCHED: [Name; 3] = [Name::CATALOG, Name::BASKET, RELAY];

pub(super) async fn measure(
    environment: &mut Environment,
    cli: &Cli,
    progress: &Progress,
) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.reset_carts(1).await?;
    environment.run_only(&[Name::CATALOG, Name::BASKET, RELAY, OTHER_RELAY]).await?;
    let before: &Environment = environment;
    warm_up(async || sustained(before, Duration::from_secs(1)).await).await?;
    let rate = sustained(environment, Duration::from_secs(cli.seconds())).await? * 0.7;
    progress.say(format!("  … soaking at {rate:.0} changes a second for {} min", cli.minutes));
    let (meter, begun, time) = (Meter::start(), Instant::now(), Duration::from_mins(cli.minutes));
    let load = tokio::spawn(load(environment.port(Name::CATALOG)?, environment.token.clone(), rate, time));
    let (mut samples, mut last_sample, mut faults) = (Vec::new(), begun, Faults::start());
    while begun.elapsed() < time {
        environment.interrupt.check()?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if last_sample.elapsed() > EVERY {
            last_sample = Instant::now();
            samples.push(sample::take(environment, begun.elapsed()).await?);
        }
        faults.tick(environment).await?;
    }
    let faults = faults.end(environment)?;
    let sent = load.await??;
    let (published, received) = come_to_rest(environment).await?;
    progress.say(format!("  … {sent} changes, {faults} faults, {published} published, {received} received"));
    let foreign = meter.foreign();
    let lost = [(published - received) as f64];
    let mut rows = vec![Row::alone("soak: events lost", "events", &lost, Target::AtMost(0.0), foreign)];
    rows.extend(sample::rows(&samples, foreign));
    Ok(rows)
}

/// Waits until nothing is pending; returns how many events were published, and how many received.
async fn come_to_rest(environment: &Environment) -> Result<(i64, i64)> {
    environment.until_published().await?;
    let ended = Instant::now();
    let mut before = -1;
    loop {
        let published: i64 = sqlx::query_scalar("select count(*) from integration_event_log")
            .fetch_one(&environment.catalog)
            .await?;
        let received: i64 =
            sqlx::query_scalar("select count(*) from inbox").fetch_one(&environment.basket).await?;
        if received == published || received == before {
            return Ok((published, received));
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
                    // Whether it happened is not known; what was published counts.
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
