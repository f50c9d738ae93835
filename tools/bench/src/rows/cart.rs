//! From a request to the cart and the alert: at 100 a second, and as fast as it goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use harness::Service;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::latency::milliseconds;
use super::writes::change_price;
use super::{latencies, paced, rounds, warm_up};
use crate::ceiling::{Bare, Effect};
use crate::cli::Cli;
use crate::environment::{Client, Environment, header};
use crate::figures::{Row, Target};

/// How long the last effects may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Clients that send the next change when the last is answered.
const CLIENTS: usize = 16;

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.reset_carts(1).await?;
    environment.run_only(&[Service::Catalog, Service::Basket(1), Service::Relay(1)]).await?;
    let bare = Arc::new(Bare::start(environment, Effect::Cart).await?);
    let time = Duration::from_secs(cli.seconds());
    let environment: &Environment = environment;
    warm_up(async || at_a_rate(environment, 100, time / 2).await).await?;
    bare_at_a_rate(&bare, 100, time / 2).await?;
    let ours = async || at_a_rate(environment, 100, time).await;
    let ceiling = async || bare_at_a_rate(&bare, 100, time).await;
    let name = "request → cart and alert at 100/s";
    let mut rows = latencies(environment, cli, name, [1.5, 2.0], ours, ceiling).await?.to_vec();

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

/// Changes prices and returns how long it took each until its alert was committed, in ms.
async fn at_a_rate(environment: &Environment, rate: u32, time: Duration) -> Result<Vec<f64>> {
    let port = environment.port(Service::Catalog)?;
    let (give, take) = mpsc::unbounded_channel();
    for _ in 0..CLIENTS {
        give.send(Client::connect(port).await?)?;
    }
    let (clients, token) = (Arc::new(tokio::sync::Mutex::new(take)), environment.token.clone());
    let sent = paced(rate, time, |n| {
        let (give, clients, token) = (give.clone(), Arc::clone(&clients), token.clone());
        async move {
            let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
            let mut client = clients.lock().await.recv().await.context("no client")?;
            let head = client.call(&change_price(&token, n)).await?;
            give.send(client)?;
            let id: Uuid = header(&head, "event-id").context("no event")?.parse()?;
            anyhow::Ok((id, begun))
        }
    })
    .await?;
    let ids: Vec<Uuid> = sent.iter().map(|(id, _)| *id).collect();
    let begun = Instant::now();
    let committed = loop {
        let rows: Vec<(Uuid, f64)> = sqlx::query_as(
            "select event_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from alert
              where event_id = any($1)",
        )
        .bind(&ids)
        .fetch_all(&environment.basket)
        .await?;
        if rows.len() >= ids.len() {
            break rows.into_iter().collect::<HashMap<_, _>>();
        }
        ensure!(begun.elapsed() < LIMIT, "{} of {} alerts were written", rows.len(), ids.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    Ok(sent.iter().filter_map(|(id, begun)| Some((committed.get(id)? - begun) * 1_000.0)).collect())
}

async fn bare_at_a_rate(bare: &Arc<Bare>, rate: u32, time: Duration) -> Result<Vec<f64>> {
    let before = bare.until_done(0, LIMIT).await?.len();
    let sent = paced(rate, time, |n| {
        let bare = Arc::clone(bare);
        async move { bare.change(n).await }
    })
    .await?;
    let done = bare.until_done(before + sent.len(), LIMIT).await?;
    Ok(sent.iter().filter_map(|(id, begun, _)| Some(milliseconds(*begun, *done.get(id)?))).collect())
}

/// Changes as fast as it goes for this time; returns changes a second, until the last alert was committed.
pub(super) async fn sustained(environment: &Environment, time: Duration) -> Result<f64> {
    let alerts = async || -> Result<i64> {
        Ok(sqlx::query_scalar("select count(*) from alert").fetch_one(&environment.basket).await?)
    };
    let (port, before, begun) = (environment.port(Service::Catalog)?, alerts().await?, Instant::now());
    let clients = (0..CLIENTS).map(|client| {
        let token = environment.token.clone();
        tokio::spawn(async move {
            let mut connection = Client::connect(port).await?;
            let mut count = 0_usize;
            while begun.elapsed() < time {
                connection.call(&change_price(&token, count * CLIENTS + client)).await?;
                count += 1;
            }
            anyhow::Ok(count as i64)
        })
    });
    let counts = futures_util::future::try_join_all(clients).await?;
    let total = counts.into_iter().sum::<Result<i64>>()?;
    loop {
        let written = alerts().await? - before;
        if written >= total {
            break;
        }
        ensure!(begun.elapsed() < time + LIMIT, "{written} of {total} alerts were written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

async fn bare_sustained(bare: &Arc<Bare>, time: Duration) -> Result<f64> {
    let (before, begun) = (bare.until_done(0, LIMIT).await?.len(), Instant::now());
    let clients = (0..CLIENTS).map(|client| {
        let bare = Arc::clone(bare);
        tokio::spawn(async move {
            let mut count = 0_usize;
            while begun.elapsed() < time {
                bare.change(count * CLIENTS + client).await?;
                count += 1;
            }
            anyhow::Ok(count)
        })
    });
    let counts = futures_util::future::try_join_all(clients).await?;
    let total = counts.into_iter().sum::<Result<usize>>()?;
    bare.until_done(before + total, LIMIT).await?;
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}
