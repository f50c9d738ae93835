//! Ways between services and servers that are slow, silent, cut, or lose one confirmation.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use crate::check::{Expected, Repeats};
use harness::{
    Service,
    proxy::{
        Mode,
        Protocol::{self, Amqp, Postgres},
    },
    until,
};

const CATALOG: Service = Service::Catalog;
const BASKET: Service = Service::Basket(1);
const RELAY: Service = Service::Relay(1);

/// Longer than any deadline of a service's: 8 s for a database, 10 s for the broker, twice a heartbeat of 5 s.
const LONG: std::ops::RangeInclusive<f64> = 11.0..=13.0;

pub(super) const FAULTS: &[Fault] = faults! {
    broker: "confirm-lost" [1, 1] "one confirmation of RabbitMQ's does not reach the relay" => confirm_lost;
    broker: "confirms-lost" [1, 1]
        "RabbitMQ's confirmations do not reach the relay, then the connection is cut" => confirms_lost;
    broker: "relay-broker-reset" [2, 1]
        "a relay's connections to RabbitMQ are reset" => resets(RELAY, Amqp);
    broker: "relay-broker-silent" [1, 1]
        "nothing arrives between relay and RabbitMQ, without an error" => silent(RELAY, Amqp);
    broker: "relay-broker-half-closed" [1, 1]
        "RabbitMQ's side of the relay's connection is closed" => half_closed(RELAY, Amqp);
    broker: "relay-broker-slow" [1, 1]
        "everything between relay and RabbitMQ takes 0.15 s" => slow(RELAY, Amqp);
    consumer: "basket-broker-reset" [1, 1]
        "the basket's connections to RabbitMQ are reset" => resets(BASKET, Amqp);
    consumer: "basket-broker-silent" [1, 1]
        "nothing arrives between basket and RabbitMQ" => silent(BASKET, Amqp);
    postgres: "relay-postgres-reset" [2, 1]
        "a relay's connections to PostgreSQL are reset" => resets(RELAY, Postgres);
    postgres: "relay-postgres-silent" [2, 1]
        "nothing arrives between one of two relays and PostgreSQL" => silent(RELAY, Postgres);
    postgres: "relay-postgres-slow" [1, 1]
        "everything between relay and PostgreSQL takes 0.15 s" => slow(RELAY, Postgres);
    postgres: "catalog-postgres-reset" [1, 1]
        "the catalog's connections to PostgreSQL are reset" => resets(CATALOG, Postgres);
    postgres: "catalog-postgres-silent" [1, 1]
        "nothing arrives between catalog and PostgreSQL" => silent(CATALOG, Postgres);
    postgres: "basket-postgres-reset" [1, 1]
        "the basket's connections to PostgreSQL are reset" => resets(BASKET, Postgres);
    postgres: "basket-postgres-silent" [1, 1]
        "nothing arrives between basket and PostgreSQL" => silent(BASKET, Postgres);
    consumer: "consumer-slow" [1, 1]
        "everything between basket and PostgreSQL takes 0.15 s" => slow(BASKET, Postgres);
};

async fn resets(target: &mut Target<'_>, service: Service, protocol: Protocol) -> Result<Injection> {
    let mut seen = 0;
    for _ in 0..5 {
        seen += target.environment.proxy(service, protocol)?.reset();
        target.hold(0.1..=1.0).await;
    }
    Ok(injection(seen, Instant::now()))
}

async fn silent(target: &mut Target<'_>, service: Service, protocol: Protocol) -> Result<Injection> {
    target.environment.proxy(service, protocol)?.set(Mode::Silent);
    target.hold(LONG).await;
    target.environment.proxy(service, protocol)?.set(Mode::Pass);
    Ok(injection(1, Instant::now()))
}

async fn half_closed(target: &mut Target<'_>, service: Service, protocol: Protocol) -> Result<Injection> {
    target.environment.proxy(service, protocol)?.set(Mode::HalfClosed);
    target.hold(2.0..=3.0).await;
    target.environment.proxy(service, protocol)?.set(Mode::Pass);
    Ok(injection(1, Instant::now()))
}

async fn slow(target: &mut Target<'_>, service: Service, protocol: Protocol) -> Result<Injection> {
    target.environment.proxy(service, protocol)?.set(Mode::Delay(Duration::from_millis(150)));
    target.hold(4.0..=6.0).await;
    target.environment.proxy(service, protocol)?.set(Mode::Pass);
    Ok(injection(1, Instant::now()))
}

/// One `basic.ack`, and no more. A later one may confirm several messages, and this one among them; else the
/// relay finds out by its own deadline, and sends again.
async fn confirm_lost(target: &mut Target<'_>) -> Result<Injection> {
    let proxy = target.environment.proxy(RELAY, Amqp)?;
    let before = proxy.acks_dropped();
    proxy.drop_acks(1);
    let seen = until_dropped(target, before).await?;
    let healed = Instant::now();
    target.hold(11.0..=12.0).await;
    Ok(injection(seen, healed))
}

/// All confirmations until the connection ends: what was published is unknown.
async fn confirms_lost(target: &mut Target<'_>) -> Result<Injection> {
    let mut seen = 0;
    for _ in 0..3 {
        let proxy = target.environment.proxy(RELAY, Amqp)?;
        let before = proxy.acks_dropped();
        proxy.drop_acks(u64::MAX);
        seen += until_dropped(target, before).await?;
        target.hold(0.05..=0.3).await;
        let proxy = target.environment.proxy(RELAY, Amqp)?;
        proxy.reset();
        proxy.drop_acks(0);
        target.hold(0.3..=0.8).await;
    }
    let expected = Expected { repeats: Repeats::Provoked, ..Expected::default() };
    Ok(Injection { expected, ..injection(seen, Instant::now()) })
}

async fn until_dropped(target: &Target<'_>, before: u64) -> Result<u64> {
    let proxy = target.environment.proxy(RELAY, Amqp)?;
    let lost = async || Ok((proxy.acks_dropped() > before).then_some(()));
    until(Duration::from_secs(10), Duration::from_millis(5), lost).await?;
    Ok(proxy.acks_dropped() - before)
}
