//! A broker that goes away, takes nothing, or loses what it had.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use shop::suite::Name;
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{check::Expected, patience::until, proxy::Protocol, run::act, stage::Who};

/// How long the basket may take to consume again: it pauses for longer after many failures.
const BACK: Duration = Duration::from_secs(30);

pub(super) const FAULTS: &[Fault] = &[
    fault!("broker-killed", "broker", [1, 1], "RabbitMQ is killed, and started again", killed),
    fault!("broker-restarted", "broker", [2, 1], "RabbitMQ is restarted as an operator would", restarted),
    fault!(
        "broker-frozen",
        "broker",
        [1, 1],
        "RabbitMQ stands still for longer than its heartbeats allow",
        frozen
    ),
    fault!(
        "broker-frozen-and-killed",
        "broker",
        [1, 1],
        "RabbitMQ stands still, then is killed with what it was sent",
        frozen_and_killed
    ),
    fault!(
        "broker-memory-alarm",
        "broker",
        [1, 1],
        "RabbitMQ is short of memory and blocks publishers",
        memory_alarm
    ),
    fault!(
        "broker-disk-alarm",
        "broker",
        [2, 1],
        "RabbitMQ is short of disk and blocks publishers",
        disk_alarm
    ),
    fault!(
        "broker-queue-full",
        "broker",
        [1, 1],
        "a queue is full and refuses what is published",
        queue_full
    ),
    fault!(
        "broker-queue-deleted",
        "broker",
        [1, 1],
        "the basket's queue is deleted, and an operator replays",
        queue_deleted
    ),
    fault!(
        "broker-exchange-deleted",
        "broker",
        [1, 1],
        "the exchange is deleted, and an operator replays",
        exchange_deleted
    ),
    fault!(
        "broker-closes-connections",
        "broker",
        [2, 1],
        "RabbitMQ closes every connection of a service",
        connections_closed
    ),
    fault!(
        "broker-absent-at-start",
        "broker",
        [1, 1],
        "relay and basket are started while there is no RabbitMQ",
        absent_at_start
    ),
];

async fn killed(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.kill_server(Name::Rabbitmq)?;
    scene.hold(0.5..=2.0).await;
    let healed = scene.stage.start_server_and_watch(Name::Rabbitmq)?;
    Ok(act(1, healed))
}

async fn restarted(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.stop_server(Name::Rabbitmq)?;
    scene.hold(0.0..=1.0).await;
    let healed = scene.stage.start_server_and_watch(Name::Rabbitmq)?;
    Ok(act(1, healed))
}

async fn frozen(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.signal_server(Name::Rabbitmq, Signal::STOP)?;
    scene.hold(12.0..=14.0).await;
    scene.stage.signal_server(Name::Rabbitmq, Signal::CONT)?;
    Ok(act(1, Instant::now()))
}

async fn frozen_and_killed(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.signal_server(Name::Rabbitmq, Signal::STOP)?;
    scene.hold(1.0..=2.0).await;
    scene.stage.kill_server(Name::Rabbitmq)?;
    let healed = scene.stage.start_server_and_watch(Name::Rabbitmq)?;
    Ok(act(1, healed))
}

async fn memory_alarm(scene: &mut Scene<'_>) -> Result<Act> {
    alarm(scene, &["set_vm_memory_high_watermark", "0.00001"], &["set_vm_memory_high_watermark", "0.4"]).await
}

async fn disk_alarm(scene: &mut Scene<'_>) -> Result<Act> {
    alarm(scene, &["set_disk_free_limit", "100000GB"], &["set_disk_free_limit", "50MB"]).await
}

async fn alarm(scene: &mut Scene<'_>, raise: &[&str], clear: &[&str]) -> Result<Act> {
    scene.stage.control_broker(raise)?;
    let before = scene.probe.len();
    scene.hold(6.0..=8.0).await;
    // Whatever was on its way when the alarm was raised may have come through.
    let blocked = scene.probe.len() < before + 40;
    scene.stage.control_broker(clear)?;
    Ok(act(u64::from(blocked), Instant::now()))
}

async fn queue_full(scene: &mut Scene<'_>) -> Result<Act> {
    let full = "queues/shop/chaos.full";
    let arguments = json!({"x-queue-type": "quorum", "x-max-length": 5, "x-overflow": "reject-publish"});
    let broker = scene.stage.broker.clone();
    broker.manage(Method::PUT, full, &json!({"durable": true, "arguments": arguments})).await?;
    let binding = "bindings/shop/e/shop.events/q/chaos.full";
    broker.manage(Method::POST, binding, &json!({"routing_key": "#"})).await?;
    scene.hold(4.0..=6.0).await;
    let waiting = broker.take_all("chaos.full").await?.len();
    broker.delete(full).await?;
    Ok(act(u64::from(waiting >= 5), Instant::now()))
}

async fn queue_deleted(scene: &mut Scene<'_>) -> Result<Act> {
    // With messages in it: the basket stands still, so that they cannot go anywhere.
    scene.stage.signal(Who::Basket(1), Signal::STOP)?;
    scene.load.until_done(10, Duration::from_secs(20)).await?;
    scene.stage.broker.delete("queues/shop/basket.events").await?;
    scene.stage.signal(Who::Basket(1), Signal::CONT)?;
    let healed = Instant::now();
    scene.hold(1.0..=2.0).await;
    // What is replayed before the basket has made its queue again is not for it.
    let is_back = async || Ok((scene.stage.broker.look("basket.events").await?.consumers > 0).then_some(()));
    let pause = Duration::from_millis(200);
    until(BACK, pause, is_back).await?.context("the basket does not make its queue again")?;
    Ok(Act { is_replayed: true, ..act(1, healed) })
}

async fn exchange_deleted(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.broker.delete("exchanges/shop/shop.events").await?;
    let healed = Instant::now();
    // Long enough for the basket to bind its queue again by itself.
    scene.hold(8.0..=9.0).await;
    let expected = Expected { is_probe_blind: true, ..Expected::default() };
    Ok(Act { is_replayed: true, expected, ..act(1, healed) })
}

async fn connections_closed(scene: &mut Scene<'_>) -> Result<Act> {
    let mut seen = 0;
    for _ in 0..3 {
        for user in ["relay", "basket"] {
            let path = format!("connections/username/{user}");
            scene.stage.broker.manage(Method::DELETE, &path, &Value::Null).await?;
            seen += 1;
        }
        scene.hold(0.5..=1.5).await;
    }
    Ok(act(seen, Instant::now()))
}

async fn absent_at_start(scene: &mut Scene<'_>) -> Result<Act> {
    use crate::proxy::Mode::{Pass, Refused};
    let absent = [Who::Relay(1), Who::Basket(1)];
    for who in absent {
        scene.stage.kill(who)?;
        let link = scene.stage.link(who, Protocol::Amqp)?;
        link.set(Refused);
        link.reset();
        scene.stage.launch(who, &[])?;
    }
    scene.hold(3.0..=5.0).await;
    let mut seen = 0;
    for who in absent {
        seen += u64::from(scene.stage.service(who)?.ended()?.is_none());
    }
    for who in absent {
        scene.stage.link(who, Protocol::Amqp)?.set(Pass);
    }
    let healed = Instant::now();
    for who in absent {
        let ready = scene.stage.service(who)?.until_ready();
        ready.await.with_context(|| format!("{who} did not find the broker when it came"))?;
    }
    Ok(act(seen / 2, healed))
}
