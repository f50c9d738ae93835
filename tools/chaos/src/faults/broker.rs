//! A broker that ends, refuses, or loses what it had.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Fault, Injection, Target, injection,
    process::{frozen, server_killed, server_restarted},
};
use crate::check::Expected;
use harness::{Broker, Name, proxy::Protocol, until};

/// How long the basket may take to consume again: it pauses for longer after many failures.
const BACK: Duration = Duration::from_secs(30);

pub(super) const FAULTS: &[Fault] = faults! {
    broker: "broker-killed" [1, 1] "RabbitMQ is killed, and started again" => server_killed(Name::RABBITMQ);
    broker: "broker-restarted" [2, 1]
        "RabbitMQ is restarted as an operator would" => server_restarted(Name::RABBITMQ);
    broker: "broker-frozen" [1, 1]
        "RabbitMQ stands still for longer than its heartbeats allow" => frozen(Name::RABBITMQ, 12.0..=14.0);
    broker: "broker-frozen-and-killed" [1, 1]
        "RabbitMQ stands still, then is killed with what it was sent" => frozen_and_killed;
    broker: "broker-memory-alarm" [1, 1] "RabbitMQ is short of memory and blocks publishers"
        => alarm("set_vm_memory_high_watermark", "0.00001", "0.4");
    broker: "broker-disk-alarm" [2, 1] "RabbitMQ is short of disk and blocks publishers"
        => alarm("set_disk_free_limit", "100000GB", "50MB");
    broker: "broker-queue-full" [1, 1] "a queue is full and refuses what is published" => queue_full;
    broker: "broker-queue-deleted" [1, 1]
        "the basket's queue is deleted, and an operator replays" => queue_deleted;
    broker: "broker-exchange-deleted" [1, 1]
        "the exchange is deleted, and an operator replays" => exchange_deleted;
    broker: "broker-closes-connections" [2, 1]
        "RabbitMQ closes every connection of a service" => connections_closed;
    broker: "broker-absent-at-start" [1, 1]
        "relay and basket are started while there is no RabbitMQ" => absent_at_start;
};

async fn frozen_and_killed(target: &mut Target<'_>) -> Result<Injection> {
    target.environment.signal(Name::RABBITMQ, Signal::STOP)?;
    target.hold(1.0..=2.0).await;
    server_killed(target, Name::RABBITMQ).await
}

/// Raises an alarm with a command of `rabbitmqctl`, and clears it with another value.
async fn alarm(target: &mut Target<'_>, setting: &str, raise: &str, clear: &str) -> Result<Injection> {
    target.environment.control_broker(&[setting, raise])?;
    let before = target.recorder.len();
    target.hold(6.0..=8.0).await;
    // Whatever was on its way when the alarm was raised may have come through.
    let blocked = target.recorder.len() < before + 40;
    target.environment.control_broker(&[setting, clear])?;
    Ok(injection(u64::from(blocked), Instant::now()))
}

async fn queue_full(target: &mut Target<'_>) -> Result<Injection> {
    let broker = target.environment.broker.clone();
    bind_full_queue(&broker, "#").await?;
    target.hold(4.0..=6.0).await;
    let waiting = broker.take_all("chaos.full").await?.len();
    broker.delete(FULL).await?;
    Ok(injection(u64::from(waiting >= 5), Instant::now()))
}

/// A queue that refuses what is published once it has five messages.
pub(crate) const FULL: &str = "queues/shop/chaos.full";

/// Makes it, for events of this type.
pub(crate) async fn bind_full_queue(broker: &Broker, event_type: &str) -> Result<()> {
    let arguments = json!({"x-queue-type": "quorum", "x-max-length": 5, "x-overflow": "reject-publish"});
    broker.manage(Method::PUT, FULL, &json!({"durable": true, "arguments": arguments})).await?;
    let binding = "bindings/shop/e/shop.events/q/chaos.full";
    broker.manage(Method::POST, binding, &json!({"routing_key": event_type})).await.map(drop)
}

async fn queue_deleted(target: &mut Target<'_>) -> Result<Injection> {
    // With messages in it: the basket stands still, so that they cannot go anywhere.
    target.environment.signal(Name::BASKET, Signal::STOP)?;
    target.workload.until_done(10, Duration::from_secs(20)).await?;
    target.environment.broker.delete("queues/shop/basket.events").await?;
    target.environment.signal(Name::BASKET, Signal::CONT)?;
    let healed = Instant::now();
    target.hold(1.0..=2.0).await;
    // What is replayed before the basket has made its queue again is not for it.
    let is_back =
        async || Ok((target.environment.broker.queue("basket.events").await?.consumers > 0).then_some(()));
    let pause = Duration::from_millis(200);
    until(BACK, pause, is_back).await?.context("the basket does not make its queue again")?;
    let expected = Expected { comes_late: true, ..Expected::default() };
    Ok(Injection { is_replayed: true, expected, ..injection(1, healed) })
}

async fn exchange_deleted(target: &mut Target<'_>) -> Result<Injection> {
    target.environment.delete_exchange().await?;
    target.hold(2.0..=3.0).await;
    target.environment.make_exchange(true).await?;
    let healed = Instant::now();
    // Long enough for the basket to bind its queue again by itself.
    target.hold(8.0..=9.0).await;
    let expected = Expected { is_recorder_blind: true, comes_late: true, ..Expected::default() };
    Ok(Injection { is_replayed: true, expected, ..injection(1, healed) })
}

async fn connections_closed(target: &mut Target<'_>) -> Result<Injection> {
    let mut seen = 0;
    for _ in 0..3 {
        let users = target.environment.registry().broker_users();
        for user in users.into_iter().filter(|user| *user != "admin") {
            close_connections(&target.environment.broker, user).await?;
            seen += 1;
        }
        target.hold(0.5..=1.5).await;
    }
    Ok(injection(seen, Instant::now()))
}

/// Has RabbitMQ close every connection of a user.
pub(super) async fn close_connections(broker: &Broker, user: &str) -> Result<()> {
    let path = format!("connections/username/{user}");
    broker.manage(Method::DELETE, &path, &Value::Null).await.map(drop)
}

async fn absent_at_start(target: &mut Target<'_>) -> Result<Injection> {
    use harness::proxy::Mode::{Pass, Refused};
    let absent = [Name::RELAY, Name::BASKET];
    for service in absent {
        target.environment.kill(service)?;
        let proxy = target.environment.proxy(service, Protocol::Amqp)?;
        proxy.set(Refused);
        proxy.reset();
        target.environment.launch(service, &[])?;
    }
    target.hold(3.0..=5.0).await;
    let mut seen = 0;
    for service in absent {
        seen += u64::from(target.environment.service(service)?.ended()?.is_none());
    }
    for service in absent {
        target.environment.proxy(service, Protocol::Amqp)?.set(Pass);
    }
    let healed = Instant::now();
    for service in absent {
        let ready = target.environment.service(service)?.until_ready();
        ready.await.with_context(|| format!("{service} did not find the broker when it came"))?;
    }
    Ok(injection(seen / 2, healed))
}
