//! What the broker does not take, and a relay without a broker: everything else goes on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Fault, Injection, Target,
    broker::{FULL, bind_full_queue, close_connections},
    flood::write,
    injection,
};
use crate::check::ONLY_RECORDED;
use harness::{
    Broker, Name,
    proxy::{Mode, Protocol::Amqp},
    until,
};

/// How long an event of another type may take.
const FLOWS: Duration = Duration::from_secs(5);

/// How long everything of the type may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How long another relay may take to own what one without a broker releases.
const RELIEF: Duration = Duration::from_secs(8);

/// Events that are not taken, three for each of their keys.
const KEYS: u32 = 100;
const EVENTS: u32 = 3 * KEYS;

/// The types that relays may publish, as `cargo shop generate` writes them.
const USUAL: &str = r"^shop\.";

pub(super) const FAULTS: &[Fault] = faults! {
    broker: "broker-type-refused" [2, 1]
        "the relays may not publish one type, until an operator corrects their rights" => type_refused;
    broker: "broker-queue-of-a-type-full" [2, 1]
        "the queue of one type is full and refuses what is published" => type_held_back;
    relay: "relay-with-wrong-password" [3, 1]
        "one of three relays cannot log in to RabbitMQ" => wrong_password;
    relay: "relay-loses-its-broker" [2, 1]
        "one of two relays loses its way to RabbitMQ: first it is refused, then it hears nothing" => loses_broker;
};

async fn type_refused(target: &mut Target<'_>) -> Result<Injection> {
    refuse(&target.environment.broker, ONLY_RECORDED).await?;
    write(target.environment, ONLY_RECORDED, KEYS, 0, EVENTS).await?;
    let refused = "select count(*) from integration_event_log where state = 'PublishedFailed'
                    and last_error like '%shelf_counted%' and skipped_at is null";
    target.one_arrives(FLOWS).await.context("while a type is refused")?;
    // The first event of each key; the others wait behind it.
    target.until_catalog_says(refused, KEYS.into(), LIMIT).await?;
    target.one_arrives(FLOWS).await.context("after a type was refused")?;
    refuse_nothing(&target.environment.broker).await?;
    let healed = Instant::now();
    target.environment.operate(&["requeue", "--type", ONLY_RECORDED])?;
    Ok(injection(KEYS.into(), healed))
}

/// Has RabbitMQ refuse what relays publish of a type.
pub(crate) async fn refuse(broker: &Broker, event_type: &str) -> Result<()> {
    permit(broker, &format!("^(?!{}$)shop\\.", event_type.replace('.', r"\."))).await?;
    // A channel remembers for a while what it may do.
    close_connections(broker, "relay").await
}

/// Lets relays publish all types of the shop again.
pub(crate) async fn refuse_nothing(broker: &Broker) -> Result<()> {
    permit(broker, USUAL).await
}

/// Lets relays publish the types that match.
async fn permit(broker: &Broker, types: &str) -> Result<()> {
    let rights = json!({"exchange": "shop.events", "write": types, "read": "^$"});
    broker.manage(Method::PUT, "topic-permissions/shop/relay", &rights).await.map(drop)
}

async fn type_held_back(target: &mut Target<'_>) -> Result<Injection> {
    let broker = target.environment.broker.clone();
    bind_full_queue(&broker, ONLY_RECORDED).await?;
    write(target.environment, ONLY_RECORDED, KEYS, 0, EVENTS).await?;
    for _ in 0..4 {
        target.one_arrives(FLOWS).await.context("while the queue of another type is full")?;
        target.hold(0.5..=1.0).await;
    }
    let (waiting, counted): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where state = 'NotPublished'),
                count(*) filter (where state = 'PublishedFailed' or state = 'NotPublished' and times_sent > 0)
           from integration_event_log where event_type = $1 and skipped_at is null",
    )
    .bind(ONLY_RECORDED)
    .fetch_one(&target.environment.catalog)
    .await?;
    ensure!(counted == 0, "{counted} events have an attempt less, or failed");
    let full = broker.take_all("chaos.full").await?.len() >= 5;
    broker.delete(FULL).await?;
    Ok(injection(if full { waiting.try_into()? } else { 0 }, Instant::now()))
}

async fn wrong_password(target: &mut Target<'_>) -> Result<Injection> {
    let broken = Name::Relay(3);
    target.environment.kill(broken)?;
    let url = &target.environment.broker.url;
    let (_, server) = url.rsplit_once('@').context("the broker's URL names no user")?;
    let wrong = format!("amqp://relay:wrong@{server}");
    target.environment.launch(broken, &[("APP__BROKER__URL", &wrong)])?;
    until_owned(target, &["relay", "relay-2"], LIMIT).await?;
    let registered = "select count(*) from outbox_relay
                       where name = 'relay-3' and not has_broker and alive_until > clock_timestamp()";
    target.until_catalog_says(registered, 1, LIMIT).await?;
    for _ in 0..3 {
        target.one_arrives(FLOWS).await.context("while a relay has no broker")?;
        target.hold(0.5..=1.0).await;
    }
    ensure!(owners(target).await? == ["relay", "relay-2"], "a relay without a broker owns partitions");
    target.environment.kill(broken)?;
    target.environment.launch(broken, &[])?;
    let healed = Instant::now();
    until_owned(target, &["relay", "relay-2", "relay-3"], LIMIT).await?;
    Ok(injection(1, healed))
}

async fn loses_broker(target: &mut Target<'_>) -> Result<Injection> {
    let broken = Name::RELAY;
    for mode in [Mode::Refused, Mode::Silent] {
        until_owned(target, &["relay", "relay-2"], LIMIT).await?;
        let proxy = target.environment.proxy(broken, Amqp)?;
        proxy.set(mode);
        if mode == Mode::Refused {
            proxy.reset();
        }
        until_owned(target, &["relay-2"], RELIEF).await.with_context(|| format!("{mode:?}"))?;
        target.one_arrives(FLOWS).await.context("while a relay has no broker")?;
        let proxy = target.environment.proxy(broken, Amqp)?;
        proxy.pass();
        proxy.reset();
    }
    let healed = Instant::now();
    until_owned(target, &["relay", "relay-2"], LIMIT).await?;
    Ok(injection(2, healed))
}

/// Waits until these relays, and no others, own the partitions, all of them.
pub(crate) async fn until_owned(target: &Target<'_>, relays: &[&str], limit: Duration) -> Result<()> {
    let mut last = Vec::new();
    let shared = async || {
        last = owners(target).await?;
        Ok((last == relays).then_some(()))
    };
    let shared = until(limit, Duration::from_millis(20), shared).await?;
    shared.with_context(|| format!("{last:?} own the partitions after {limit:?}, not {relays:?}"))
}

/// The names of the relays that own partitions and live; empty while not all partitions are owned.
async fn owners(target: &Target<'_>) -> Result<Vec<String>> {
    let owners = "select name from outbox_partition join outbox_relay as relay using (relay_id)
                    join pg_stat_activity as session
                      on session.pid = relay.backend_pid and session.backend_start = relay.backend_start
                   where not exists (select from outbox_partition where relay_id is null)
                   group by name order by name";
    Ok(sqlx::query_scalar(owners).fetch_all(&target.environment.catalog).await?)
}
