//! Ways between services and servers that are slow, silent, cut, or lose one confirmation.

use std::{ops::RangeInclusive, time::Duration};

use anyhow::Result;
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use crate::check::{Expected, Repeats};
use harness::{
    Name,
    proxy::{
        Mode,
        Protocol::{self, Amqp, Postgres},
    },
    until,
};

/// Longer than any deadline of a service's: 8 s for a database, 10 s for the broker, twice a heartbeat of 5 s.
const LONG: RangeInclusive<f64> = 11.0..=13.0;

const SLOW: Mode = Mode::Delay(Duration::from_millis(150));

pub(super) const FAULTS: &[Fault] = faults! {
    broker: "confirm-lost" [1, 1] "one confirmation of RabbitMQ's does not reach the relay" => confirm_lost;
    broker: "confirms-lost" [1, 1]
        "RabbitMQ's confirmations do not reach the relay, then the connection is cut" => confirms_lost;
    broker: "relay-broker-reset" [2, 1]
        "a relay's connections to RabbitMQ are reset" => resets(Name::RELAY, Amqp);
    broker: "relay-broker-silent" [1, 1]
        "nothing arrives between relay and RabbitMQ, without an error" => changed(Name::RELAY, Amqp, Mode::Silent, LONG);
    broker: "relay-broker-half-closed" [1, 1]
        "RabbitMQ's side of the relay's connection is closed" => changed(Name::RELAY, Amqp, Mode::HalfClosed, 2.0..=3.0);
    broker: "relay-broker-slow" [1, 1]
        "everything between relay and RabbitMQ takes 0.15 s" => changed(Name::RELAY, Amqp, SLOW, 4.0..=6.0);
    consumer: "basket-broker-reset" [1, 1]
        "the basket's connections to RabbitMQ are reset" => resets(Name::BASKET, Amqp);
    consumer: "basket-broker-silent" [1, 1]
        "nothing arrives between basket and RabbitMQ" => changed(Name::BASKET, Amqp, Mode::Silent, LONG);
    postgres: "relay-postgres-reset" [2, 1]
        "a relay's connections to PostgreSQL are reset" => resets(Name::RELAY, Postgres);
    postgres: "relay-postgres-silent" [2, 1]
        "nothing arrives between one of two relays and PostgreSQL" => changed(Name::RELAY, Postgres, Mode::Silent, LONG);
    postgres: "relay-postgres-slow" [1, 1]
        "everything between relay and PostgreSQL takes 0.15 s" => changed(Name::RELAY, Postgres, SLOW, 4.0..=6.0);
    postgres: "catalog-postgres-reset" [1, 1]
        "the catalog's connections to PostgreSQL are reset" => resets(Name::CATALOG, Postgres);
    postgres: "catalog-postgres-silent" [1, 1]
        "nothing arrives between catalog and PostgreSQL" => changed(Name::CATALOG, Postgres, Mode::Silent, LONG);
    postgres: "basket-postgres-reset" [1, 1]
        "the basket's connections to PostgreSQL are reset" => resets(Name::BASKET, Postgres);
    postgres: "basket-postgres-silent" [1, 1]
        "nothing arrives between basket and PostgreSQL" => changed(Name::BASKET, Postgres, Mode::Silent, LONG);
    consumer: "consumer-slow" [1, 1]
        "everything between basket and PostgreSQL takes 0.15 s" => changed(Name::BASKET, Postgres, SLOW, 4.0..=6.0);
};

async fn resets(target: &mut Target<'_>, service: Name, protocol: Protocol) -> Result<Injection> {
    let mut seen = 0;
    for _ in 0..5 {
        seen += target.environment.proxy(service, protocol)?.reset();
        target.hold(0.1..=1.0).await;
    }
    Ok(injection(seen, Instant::now()))
}

/// Has the proxy on this way do something for a while.
async fn changed(
    target: &mut Target<'_>,
    service: Name,
    protocol: Protocol,
    mode: Mode,
    seconds: RangeInclusive<f64>,
) -> Result<Injection> {
    target.environment.proxy(service, protocol)?.set(mode);
    target.hold(seconds).await;
    target.environment.proxy(service, protocol)?.set(Mode::Pass);
    Ok(injection(1, Instant::now()))
}

/// One `basic.ack`, and no more. A later one may confirm several messages, and this one among them; else the
/// relay finds out by its own deadline, and sends again.
async fn confirm_lost(target: &mut Target<'_>) -> Result<Injection> {
    let proxy = target.environment.proxy(Name::RELAY, Amqp)?;
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
        let proxy = target.environment.proxy(Name::RELAY, Amqp)?;
        let before = proxy.acks_dropped();
        proxy.drop_acks(u64::MAX);
        seen += until_dropped(target, before).await?;
        target.hold(0.05..=0.3).await;
        let proxy = target.environment.proxy(Name::RELAY, Amqp)?;
        proxy.reset();
        proxy.drop_acks(0);
        target.hold(0.3..=0.8).await;
    }
    let expected = Expected { repeats: Repeats::Provoked, ..Expected::default() };
    Ok(Injection { expected, ..injection(seen, Instant::now()) })
}

async fn until_dropped(target: &Target<'_>, before: u64) -> Result<u64> {
    let proxy = target.environment.proxy(Name::RELAY, Amqp)?;
    let lost = async || Ok((proxy.acks_dropped() > before).then_some(()));
    until(Duration::from_secs(10), Duration::from_millis(5), lost).await?;
    Ok(proxy.acks_dropped() - before)
}
