//! From a request to the cart and the alert: at 100 a second, and as fast as it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::Name;
use uuid::Uuid;

use super::committed::{self, CLIENTS};
use super::latency::of_bare;
use super::writes::change_price;
use super::{latencies, rounds, warm_up};
use crate::ceiling::{Bare, Change, Effect};
use crate::cli::Cli;
use crate::environment::{Environment, Load, answers, header, repeat};
use crate::figures::{Row, Target};

/// How long the last effects may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Changes a second where the time of each is measured.
const RATE: u32 = 100;

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.reset_carts(1).await?;
    environment.run_only(&[Name::CATALOG, Name::BASKET, Name::RELAY]).await?;
    let bare = Arc::new(Bare::start(environment, Effect::Cart).await?);
    let time = Duration::from_secs(cli.seconds());
    let environment: &Environment = environment;
    let begun = |change: &Change| change.begun;
    warm_up(async || at_a_rate(environment, time / 2).await).await?;
    of_bare(&bare, RATE, time / 2, begun).await?;
    let ours = async || at_a_rate(environment, time).await;
    let ceiling = async || of_bare(&bare, RATE, time, begun).await;
    let name = format!("request → cart and alert at {RATE}/s");
    let mut rows = latencies(environment, cli, &name, [1.5, 2.0], ours, ceiling).await?.to_vec();

    let ours = async || sustained(environment, time).await;
    let (ours, ceiling, foreign) =
        rounds(environment, cli, ours, async || bare_sustained(&bare, time).await).await?;
    rows.push(Row::against(
        "highest rate, request → cart and alert",
        "changes/s",
        (&ours, &ceiling),
        "bare loop",
        Target::AtLeast(0.7),
        foreign,
    ));
    Ok(rows)
}

fn event_of(head: &str) -> Result<Uuid> {
    Ok(header(head, "event-id").context("no event")?.parse()?)
}

/// Changes prices and returns how long it took each until its alert was committed, in ms.
async fn at_a_rate(environment: &Environment, time: Duration) -> Result<Vec<f64>> {
    let port = environment.port(Name::CATALOG)?;
    let request = |n| change_price(&environment.token, n);
    let sent = committed::sent(port, RATE, time, request, event_of).await?;
    let alerts = "select event_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from alert
                   where event_id = any($1)";
    committed::latencies(&sent, &environment.basket, alerts, LIMIT).await
}

/// Changes as fast as it goes for this time; returns changes a second, until the last alert was committed.
pub(super) async fn sustained(environment: &Environment, time: Duration) -> Result<f64> {
    let (port, token) = (environment.port(Name::CATALOG)?, environment.token.clone());
    let changes = answers(port, Load { clients: CLIENTS, time }, move |n| change_price(&token, n));
    committed::rate(changes, &environment.basket, "select count(*) from alert", LIMIT).await
}

async fn bare_sustained(bare: &Arc<Bare>, time: Duration) -> Result<f64> {
    let (before, begun) = (bare.until_done(0, LIMIT).await?.len(), Instant::now());
    let change = |bare: Arc<Bare>, n| async move { bare.change(n).await.map(|_| bare) };
    let total = repeat(time, vec![Arc::clone(bare); CLIENTS], change).await?;
    bare.until_done(before + total, LIMIT).await?;
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}
