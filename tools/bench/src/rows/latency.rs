//! From a commit to a consumer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use event_bus::Event;
use event_bus::outbox::{self, Notifier};
use futures_util::StreamExt;
use harness::Name;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{latencies, paced};
use crate::ceiling::{Bare, Change, Effect};
use crate::cli::Cli;
use crate::environment::{Environment, Queue};
use crate::figures::Row;

/// How long the last events may take.
const LIMIT: Duration = Duration::from_mins(1);

#[derive(Serialize)]
struct Ticked {
    number: usize,
    padding: String,
}

impl Event for Ticked {
    const TYPE: &'static str = "shop.bench.ticked.v1";

    fn key(&self) -> String {
        (self.number % 1_000).to_string()
    }

    fn version(&self) -> i64 {
        self.number as i64
    }
}

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.run_only(&[Name::RELAY]).await?;
    let bare = Arc::new(Bare::start(environment, Effect::None).await?);
    let mut rows = Vec::new();
    for rate in [100, 1_000] {
        let time = Duration::from_secs(cli.seconds());
        let environment: &Environment = environment;
        of_relay(environment, rate, time / 2).await?;
        let committed = |change: &Change| change.committed;
        of_bare(&bare, rate, time / 2, committed).await?;
        let ours = async || of_relay(environment, rate, time).await;
        let ceiling = async || of_bare(&bare, rate, time, committed).await;
        let name = format!("commit → consumer at {rate}/s");
        rows.extend(latencies(environment, cli, &name, [2.0, 3.0], ours, ceiling).await?);
    }
    Ok(rows)
}

/// Has the bare loop change prices; returns how long it took each until its effect, in ms, since one of its moments.
pub(super) async fn of_bare(
    bare: &Arc<Bare>,
    rate: u32,
    time: Duration,
    since: fn(&Change) -> Instant,
) -> Result<Vec<f64>> {
    let before = bare.until_done(0, LIMIT).await?.len();
    let sent = paced(rate, time, |n| {
        let bare = Arc::clone(bare);
        async move { bare.change(n).await }
    })
    .await?;
    let done = bare.until_done(before + sent.len(), LIMIT).await?;
    Ok(sent.iter().filter_map(|change| Some(milliseconds(since(change), *done.get(&change.id)?))).collect())
}

async fn of_relay(environment: &Environment, rate: u32, time: Duration) -> Result<Vec<f64>> {
    let queue = Queue::declare(&environment.broker.url, "bench.ticked", Ticked::TYPE).await?;
    let mut messages = queue.consume(true).await?;
    let arrived: Arc<Mutex<HashMap<Uuid, Instant>>> = Arc::default();
    let (stop, seen) = (CancellationToken::new(), Arc::clone(&arrived));
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Some(Ok(message)) = messages.next().await {
            let id = message.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
            if let Some(id) = id {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
            }
        }
    }));
    let notifier = Notifier::start(environment.catalog.clone(), stop.clone());
    let sent = paced(rate, time, |number| {
        let (pool, notifier) = (environment.catalog.clone(), notifier.clone());
        async move {
            let mut tx = pool.begin().await?;
            let event = Ticked { number, padding: "x".repeat(460) };
            let id = outbox::append(&mut tx, &event).await?;
            tx.commit().await?;
            let committed = Instant::now();
            notifier.notify();
            anyhow::Ok((id, committed))
        }
    })
    .await?;
    let begun = Instant::now();
    let arrived = loop {
        let arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if arrived.len() >= sent.len() {
            break arrived;
        }
        ensure!(begun.elapsed() < LIMIT, "{} of {} events arrived", arrived.len(), sent.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    stop.cancel();
    Ok(sent.iter().filter_map(|(id, committed)| Some(milliseconds(*committed, *arrived.get(id)?))).collect())
}

/// Zero where the consumer was faster than the commit's answer.
fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1_000.0
}
