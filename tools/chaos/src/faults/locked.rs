//! A basket whose inbox is locked for longer than the broker waits for an acknowledgement.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::{Name, proxy::Protocol::Amqp};

pub(super) const FAULTS: &[Fault] = faults! {
    consumer: "consumer-database-locked-for-long" [1, 1]
        "the inbox is locked for several of the broker's consumer timeouts, with a delivery limit of 3" => locked;
};

/// Sets how long the broker waits for an acknowledgement, and how often each channel asks. For new channels.
fn timeouts(timeout_ms: u64, tick_ms: u64) -> String {
    format!(
        "application:set_env(rabbit, consumer_timeout, {timeout_ms}),
         application:set_env(rabbit, channel_tick_interval, {tick_ms})."
    )
}

/// How long what goes on may take.
const LIMIT: Duration = Duration::from_secs(20);

const POLICY: &str = "policies/shop/basket.events";

async fn locked(target: &mut Target<'_>) -> Result<Injection> {
    let usual = target.environment.broker.manage(Method::GET, POLICY, &Value::Null).await?;
    let mut short = usual.clone();
    short["definition"]["delivery-limit"] = json!(3);
    target.environment.broker.manage(Method::PUT, POLICY, &short).await?;
    target.environment.control_broker(&["eval", &timeouts(3_000, 500)])?;
    target.environment.proxy(Name::BASKET, Amqp)?.reset();
    target.one_arrives(LIMIT).await?;
    let before = timed_out(target)?;
    let mut inbox = target.environment.basket.begin().await?;
    sqlx::query("lock table inbox in access exclusive mode").execute(&mut *inbox).await?;
    target.hold(20.0..=22.0).await;
    inbox.rollback().await?;
    let healed = Instant::now();
    let seen = timed_out(target)? - before;
    target.one_arrives(LIMIT).await?;
    // The broker's own defaults.
    target.environment.control_broker(&["eval", &timeouts(1_800_000, 60_000)])?;
    target.environment.proxy(Name::BASKET, Amqp)?.reset();
    target.environment.broker.manage(Method::PUT, POLICY, &usual).await?;
    Ok(injection(seen, healed))
}

/// How often the broker has closed a channel because of a missing acknowledgement, as its log says.
fn timed_out(target: &Target<'_>) -> Result<u64> {
    let log = target.environment.logs().join("rabbitmq.log");
    let text = std::fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(text.lines().filter(|line| line.contains("delivery acknowledgement on channel")).count() as u64)
}
