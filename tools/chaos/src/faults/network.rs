//! Ways between services and servers that are slow, silent, cut, or lose one confirmation.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{
    check::{Expected, Repeats},
    patience::until,
    proxy::{
        Mode,
        Protocol::{self, Amqp, Postgres},
    },
    run::act,
    stage::Who,
};

const CATALOG: Who = Who::Catalog;
const BASKET: Who = Who::Basket(1);
const RELAY: Who = Who::Relay(1);

/// Longer than any deadline of a service's: 8 s for a database, 10 s for the broker, twice a heartbeat of 5 s.
const LONG: std::ops::RangeInclusive<f64> = 11.0..=13.0;

pub(super) const FAULTS: &[Fault] = &[
    fault!(
        "confirm-lost",
        "broker",
        [1, 1],
        "one confirmation of RabbitMQ's does not reach the relay",
        confirm_lost
    ),
    fault!(
        "confirms-lost",
        "broker",
        [1, 1],
        "RabbitMQ's confirmations do not reach the relay, then the connection is cut",
        confirms_lost
    ),
    fault!("relay-broker-reset", "broker", [2, 1], "a relay's connections to RabbitMQ are reset", |scene| {
        resets(scene, RELAY, Amqp)
    }),
    fault!(
        "relay-broker-silent",
        "broker",
        [1, 1],
        "nothing arrives between relay and RabbitMQ, nobody is told",
        |scene| silent(scene, RELAY, Amqp)
    ),
    fault!(
        "relay-broker-half-closed",
        "broker",
        [1, 1],
        "RabbitMQ's side of the relay's connection is closed",
        |scene| half_closed(scene, RELAY, Amqp)
    ),
    fault!(
        "relay-broker-slow",
        "broker",
        [1, 1],
        "everything between relay and RabbitMQ takes 0.15 s",
        |scene| slow(scene, RELAY, Amqp)
    ),
    fault!(
        "basket-broker-reset",
        "consumer",
        [1, 1],
        "the basket's connections to RabbitMQ are reset",
        |scene| resets(scene, BASKET, Amqp)
    ),
    fault!(
        "basket-broker-silent",
        "consumer",
        [1, 1],
        "nothing arrives between basket and RabbitMQ",
        |scene| silent(scene, BASKET, Amqp)
    ),
    fault!(
        "relay-postgres-reset",
        "postgres",
        [2, 1],
        "a relay's connections to PostgreSQL are reset",
        |scene| resets(scene, RELAY, Postgres)
    ),
    fault!(
        "relay-postgres-silent",
        "postgres",
        [2, 1],
        "nothing arrives between one of two relays and PostgreSQL",
        |scene| silent(scene, RELAY, Postgres)
    ),
    fault!(
        "relay-postgres-slow",
        "postgres",
        [1, 1],
        "everything between relay and PostgreSQL takes 0.15 s",
        |scene| slow(scene, RELAY, Postgres)
    ),
    fault!(
        "catalog-postgres-reset",
        "postgres",
        [1, 1],
        "the catalog's connections to PostgreSQL are reset",
        |scene| resets(scene, CATALOG, Postgres)
    ),
    fault!(
        "catalog-postgres-silent",
        "postgres",
        [1, 1],
        "nothing arrives between catalog and PostgreSQL",
        |scene| silent(scene, CATALOG, Postgres)
    ),
    fault!(
        "basket-postgres-reset",
        "postgres",
        [1, 1],
        "the basket's connections to PostgreSQL are reset",
        |scene| resets(scene, BASKET, Postgres)
    ),
    fault!(
        "basket-postgres-silent",
        "postgres",
        [1, 1],
        "nothing arrives between basket and PostgreSQL",
        |scene| silent(scene, BASKET, Postgres)
    ),
    fault!(
        "consumer-slow",
        "consumer",
        [1, 1],
        "everything between basket and PostgreSQL takes 0.15 s",
        |scene| slow(scene, BASKET, Postgres)
    ),
];

async fn resets(scene: &mut Scene<'_>, who: Who, protocol: Protocol) -> Result<Act> {
    let mut seen = 0;
    for _ in 0..5 {
        seen += scene.stage.link(who, protocol)?.reset();
        scene.hold(0.1..=1.0).await;
    }
    Ok(act(seen, Instant::now()))
}

async fn silent(scene: &mut Scene<'_>, who: Who, protocol: Protocol) -> Result<Act> {
    scene.stage.link(who, protocol)?.set(Mode::Silent);
    scene.hold(LONG).await;
    scene.stage.link(who, protocol)?.set(Mode::Pass);
    Ok(act(1, Instant::now()))
}

async fn half_closed(scene: &mut Scene<'_>, who: Who, protocol: Protocol) -> Result<Act> {
    scene.stage.link(who, protocol)?.set(Mode::HalfClosed);
    scene.hold(2.0..=3.0).await;
    scene.stage.link(who, protocol)?.set(Mode::Pass);
    Ok(act(1, Instant::now()))
}

async fn slow(scene: &mut Scene<'_>, who: Who, protocol: Protocol) -> Result<Act> {
    scene.stage.link(who, protocol)?.set(Mode::Delay(Duration::from_millis(150)));
    scene.hold(4.0..=6.0).await;
    scene.stage.link(who, protocol)?.set(Mode::Pass);
    Ok(act(1, Instant::now()))
}

/// One `basic.ack`, and no more. A later one may confirm several messages, and this one among them; else the
/// relay finds out by its own deadline, and sends again.
async fn confirm_lost(scene: &mut Scene<'_>) -> Result<Act> {
    let link = scene.stage.link(RELAY, Amqp)?;
    let before = link.acks_dropped();
    link.drop_acks(1);
    let seen = until_dropped(scene, before).await?;
    let healed = Instant::now();
    scene.hold(11.0..=12.0).await;
    Ok(act(seen, healed))
}

/// All of them, from one moment to the end of the connection: nobody can know what was published.
async fn confirms_lost(scene: &mut Scene<'_>) -> Result<Act> {
    let mut seen = 0;
    for _ in 0..3 {
        let link = scene.stage.link(RELAY, Amqp)?;
        let before = link.acks_dropped();
        link.drop_acks(u64::MAX);
        seen += until_dropped(scene, before).await?;
        scene.hold(0.05..=0.3).await;
        let link = scene.stage.link(RELAY, Amqp)?;
        link.reset();
        link.drop_acks(0);
        scene.hold(0.3..=0.8).await;
    }
    let expected = Expected { repeats: Repeats::Provoked, ..Expected::default() };
    Ok(Act { expected, ..act(seen, Instant::now()) })
}

async fn until_dropped(scene: &Scene<'_>, before: u64) -> Result<u64> {
    let link = scene.stage.link(RELAY, Amqp)?;
    let lost = async || Ok((link.acks_dropped() > before).then_some(()));
    until(Duration::from_secs(10), Duration::from_millis(5), lost).await?;
    Ok(link.acks_dropped() - before)
}
