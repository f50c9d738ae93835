//! Requests whose effects another service commits later: how long each takes, and how many a second there can be.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use harness::until;
use sqlx::PgPool;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::paced;
use crate::environment::Client;

/// How many clients send requests, each on a connection of its own.
pub(super) const CLIENTS: usize = 16;

/// Between two polls of what is committed.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends so many requests a second; returns the id that the head of each answer has, and when the request was sent, in
/// seconds since 1970.
pub(super) async fn sent(
    port: u16,
    rate: u32,
    time: Duration,
    request: impl Fn(usize) -> String,
    id_of: fn(&str) -> Result<Uuid>,
) -> Result<Vec<(Uuid, f64)>> {
    let (give, take) = mpsc::unbounded_channel();
    for _ in 0..CLIENTS {
        give.send(Client::connect(port).await?)?;
    }
    let clients = Arc::new(tokio::sync::Mutex::new(take));
    paced(rate, time, |n| {
        let (give, clients, request) = (give.clone(), Arc::clone(&clients), request(n));
        async move {
            let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
            let mut client = clients.lock().await.recv().await.context("no client")?;
            let head = client.call(&request).await?;
            give.send(client)?;
            anyhow::Ok((id_of(&head)?, begun))
        }
    })
    .await
}

/// Waits for the effects of what was sent; returns how long each took to be committed, in ms. Of the ids `$1`, `query`
/// finds those that have one, and when it was committed, in seconds since 1970.
pub(super) async fn latencies(
    sent: &[(Uuid, f64)],
    pool: &PgPool,
    query: &'static str,
    limit: Duration,
) -> Result<Vec<f64>> {
    let ids: Vec<Uuid> = sent.iter().map(|(id, _)| *id).collect();
    let mut count = 0;
    let all = async || {
        let rows: Vec<(Uuid, f64)> = sqlx::query_as(query).bind(&ids).fetch_all(pool).await?;
        count = rows.len();
        Ok((count >= ids.len()).then(|| rows.into_iter().collect::<HashMap<_, _>>()))
    };
    let all = until(limit, PAUSE, all).await?;
    let committed = all.with_context(|| format!("{count} of {} effects were committed", ids.len()))?;
    Ok(sent.iter().filter_map(|(id, begun)| Some((committed.get(id)? - begun) * 1_000.0)).collect())
}

/// Has `requests` sent, and waits for as many effects as it says; returns effects a second. `query` counts all effects.
pub(super) async fn rate(
    requests: impl Future<Output = Result<usize>>,
    pool: &PgPool,
    query: &'static str,
    limit: Duration,
) -> Result<f64> {
    let effects = async || anyhow::Ok(sqlx::query_scalar::<_, i64>(query).fetch_one(pool).await?);
    let (before, begun) = (effects().await?, Instant::now());
    let total = requests.await? as i64;
    let mut committed = 0;
    let all = async || {
        committed = effects().await? - before;
        Ok((committed >= total).then_some(()))
    };
    let all = until(limit, PAUSE, all).await?;
    all.with_context(|| format!("{committed} of {total} effects were committed"))?;
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}
