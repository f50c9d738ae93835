//! A backlog of 50,000 against a bare publisher; three relays against one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::StreamExt;
use harness::Name;

use crate::ceiling::publish;
use crate::cli::Cli;
use crate::environment::{BACKLOG_TYPE, Environment, Queue};
use crate::figures::{Row, Target};
use crate::machine::Meter;

/// How long relays that have just started may take to share the partitions.
const SHARED: Duration = Duration::from_secs(4);

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    let count = cli.scaled(50_000);
    let queue = Queue::declare(&environment.broker.url, "bench.backlog", BACKLOG_TYPE).await?;
    environment.run_only(&[Name::RELAY]).await?;
    // Warm-up: also tells how large a message is.
    drain(environment, &queue, count / 5).await?;
    let size = queue.size().await?;
    let (mut one, mut bare, mut three) = (Vec::new(), Vec::new(), Vec::new());
    let meter = Meter::start();
    for _ in 0..cli.rounds() {
        environment.clear_log().await?;
        queue.purge().await?;
        one.push(drain(environment, &queue, count).await?);
        queue.purge().await?;
        bare.push(publish(&environment.broker.url, BACKLOG_TYPE, count, size).await?);
        queue.purge().await?;
    }
    let foreign = meter.foreign();
    let meter = Meter::start();
    let mut alone = Vec::new();
    for _ in 0..cli.rounds().min(3) {
        environment.clear_log().await?;
        alone.push(drain(environment, &queue, count).await?);
        queue.purge().await?;
        environment.run_only(&[Name::RELAY, Name::Relay(2), Name::Relay(3)]).await?;
        tokio::time::sleep(SHARED).await;
        environment.clear_log().await?;
        three.push(drain(environment, &queue, count).await?);
        check_order(&queue, count).await?;
        environment.run_only(&[Name::RELAY]).await?;
        tokio::time::sleep(SHARED).await;
    }
    let least = Target::AtLeast(0.8);
    Ok(vec![
        Row::against(
            format!("drain a backlog of {count}"),
            "events/s",
            (&one, &bare),
            "bare publisher",
            least,
            foreign,
        ),
        Row::against(
            "three relays, order kept",
            "events/s",
            (&three, &alone),
            "one relay",
            Target::AtLeast(0.9),
            meter.foreign(),
        ),
    ])
}

/// Commits a backlog and waits until all of it is published and marked; returns events a second.
pub(super) async fn drain(environment: &Environment, queue: &Queue, count: i64) -> Result<f64> {
    environment.add_backlog(count, BACKLOG_TYPE).await?;
    let begun = Instant::now();
    environment.notify().await?;
    environment.until_published().await?;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    queue.until(u32::try_from(count)?, Duration::from_secs(30)).await?;
    Ok(rate)
}

/// Takes the messages and fails if two of a key changed places.
async fn check_order(queue: &Queue, count: i64) -> Result<()> {
    let mut messages = queue.consume(true).await?;
    let mut last: HashMap<String, i64> = HashMap::new();
    for _ in 0..count {
        let next = tokio::time::timeout(Duration::from_secs(10), messages.next()).await?;
        let Some(message) = next.transpose()? else { break };
        let event: serde_json::Value = serde_json::from_slice(&message.data)?;
        let key = event["subject"].as_str().unwrap_or_default().to_owned();
        let number = event["data"]["number"].as_i64().unwrap_or_default();
        let before = last.insert(key, number).unwrap_or_default();
        ensure!(number > before, "event {number} came after {before} of the same key");
    }
    queue.channel.basic_cancel("bench".into(), lapin::options::BasicCancelOptions::default()).await?;
    Ok(())
}
