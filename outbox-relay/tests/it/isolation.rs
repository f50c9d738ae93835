//! What the broker does not take holds up what belongs to it and nothing else.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Mode, eventually};

use crate::support::{LONG, Relay, Stage, user};

const GOOD: &str = "shop.test.counter_raised.v1";

/// Of this type no queue takes any.
const UNWANTED: &str = "shop.test.unwanted.v1";

/// Commits one event for each of so many keys.
async fn add(stage: &Stage, event_type: &str, keys: std::ops::Range<i32>) {
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         select gen_random_uuid(), $1, $1 || i, 1, hashtextextended($1 || i, 0) & 63, '{}'
           from generate_series($2, $3 - 1) as i",
    )
    .bind(event_type)
    .bind(keys.start)
    .bind(keys.end)
    .execute(&stage.log.pool)
    .await
    .unwrap();
}

/// Waits until events of so many keys of a type have arrived, and returns how long that took.
async fn arrived(stage: &mut Stage, event_type: &str, keys: usize) -> Duration {
    let (started, mut seen) = (Instant::now(), HashSet::new());
    while seen.len() < keys {
        let message = stage.probe.next(LONG).await;
        if message.routing_key == event_type {
            seen.insert(message.json()["subject"].to_string());
        }
    }
    started.elapsed()
}

/// Lets the relay publish only types that begin like this.
async fn permit(stage: &Stage, write: &str) {
    let rights = json!({"exchange": "shop.events", "write": write, "read": ".*"});
    stage.vhost.put("topic-permissions", &format!("/{}", user()), &rights).await;
}

async fn status(relay: &Relay) -> Value {
    relay.get("/api/v1/outbox/status").await.json().await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_type_that_the_relay_may_not_publish_fails_alone_and_with_the_brokers_reason(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    permit(&stage, "^(shop|unrouted)").await;
    add(&stage, "other.thing.v1", 0..1_000).await;
    add(&stage, GOOD, 0..1_000).await;
    let relay = stage.relay().start();
    arrived(&mut stage, GOOD, 1_000).await;
    eventually("all of the type have failed", LONG, async || {
        (stage.log.count("PublishedFailed").await == 1_000).then_some(())
    })
    .await;
    let reasons: Vec<String> = sqlx::query_scalar(
        "select distinct last_error from integration_event_log where last_error is not null",
    )
    .fetch_all(&stage.log.pool)
    .await
    .unwrap();
    assert!(reasons.len() == 1 && reasons[0].contains("topic 'other.thing.v1'"), "{reasons:?}");
    stage.log.drained().await;
    assert_eq!(stage.log.count("Published").await, 1_000);
    relay.until_ready(true).await;

    // More of it later are tried one at a time, and cost the others nothing.
    add(&stage, "other.thing.v1", 1_000..1_100).await;
    add(&stage, GOOD, 1_000..2_000).await;
    arrived(&mut stage, GOOD, 1_000).await;
    eventually("these have failed as well", LONG, async || {
        (stage.log.count("PublishedFailed").await == 1_100).then_some(())
    })
    .await;

    // The operator mends the rights and tries one again: the type is published from then on.
    permit(&stage, ".*").await;
    let id: uuid::Uuid = sqlx::query_scalar(
        "select event_id from integration_event_log where state = 'PublishedFailed' limit 1",
    )
    .fetch_one(&stage.log.pool)
    .await
    .unwrap();
    let requeued = relay.post(&format!("/api/v1/outbox/events/{id}/requeue"), &json!({})).await;
    assert_eq!(requeued.status(), 200);
    add(&stage, "other.thing.v1", 2_000..2_010).await;
    arrived(&mut stage, "other.thing.v1", 11).await;
}

#[sqlx::test(migrations = false)]
async fn a_full_queue_holds_up_its_type_and_nothing_else(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.vhost.full("full", "shop.test.stored.v1").await;
    let relay = stage.relay().start();
    add(&stage, "shop.test.stored.v1", 0..1_500).await;
    add(&stage, GOOD, 0..1_000).await;
    arrived(&mut stage, GOOD, 1_000).await;
    let held = eventually("the status names the type", LONG, async || {
        let status = status(&relay).await;
        let held = status[0]["relay"]["heldBack"][0].clone();
        held["waiting"].as_u64().is_some_and(|waiting| waiting > 1_000).then_some(held)
    })
    .await;
    assert_eq!(held["eventType"], "shop.test.stored.v1");
    assert!(held["reason"].as_str().unwrap().contains("a queue is full"), "{held}");
    assert!(held["since"].as_str().is_some(), "{held}");
    relay.until_ready(true).await;
    let counted: i64 = sqlx::query_scalar(
        "select count(*) from integration_event_log
          where state = 'PublishedFailed' or last_error is not null or state = 'NotPublished' and times_sent > 0",
    )
    .fetch_one(&stage.log.pool)
    .await
    .unwrap();
    assert_eq!(counted, 0, "nothing counts as an attempt");
    add(&stage, GOOD, 1_000..2_000).await;
    arrived(&mut stage, GOOD, 1_000).await;

    stage.vhost.delete("queues", "/full").await;
    stage.log.drained().await;
    eventually("the status is clean", LONG, async || {
        let status = status(&relay).await;
        status[0]["relay"]["heldBack"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

async fn owners(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("select count(*) from outbox_partition where relay_id is not null group by relay_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_relay_that_never_had_a_broker_takes_no_partition(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let (server, vhost) =
        stage.vhost.url.rsplit_once('@').map(|(_, rest)| rest.rsplit_once('/').unwrap()).unwrap();
    let wrong = format!("amqp://{}:wrong-password@{server}/{vhost}", user());
    let broken = stage.relay().env("APP__BROKER__URL", &wrong).start();
    broken.until_ready(false).await;
    add(&stage, GOOD, 0..500).await;
    let _healthy = stage.relay().start();
    arrived(&mut stage, GOOD, 500).await;
    stage.log.drained().await;
    assert_eq!(owners(&stage.log.pool).await, [64]);
}

#[sqlx::test(migrations = false)]
async fn a_relay_that_lost_its_broker_hands_its_partitions_over_within_six_seconds(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let (proxy, through) = stage.vhost.proxied().await;
    let one = stage.relay().env("APP__BROKER__URL", &through).start();
    one.until_ready(true).await;
    let _two = stage.relay().start();
    let both = || async {
        eventually("both own half", LONG, async || (owners(&stage.log.pool).await == [32, 32]).then_some(()))
            .await;
    };
    both().await;
    for mode in [Mode::Refused, Mode::Silent] {
        proxy.set(mode);
        if mode == Mode::Refused {
            proxy.reset();
        }
        let cut = Instant::now();
        let name = if mode == Mode::Silent { "silent" } else { "refused" };
        add(&stage, name, 0..200).await;
        eventually("everything is published by the other relay", LONG, async || {
            (stage.log.count("NotPublished").await == 0).then_some(())
        })
        .await;
        assert!(cut.elapsed() < Duration::from_secs(7), "{mode:?}: {:?}", cut.elapsed());
        proxy.pass();
        proxy.reset();
        one.until_ready(true).await;
        both().await;
    }
}

#[sqlx::test(migrations = false)]
async fn a_relay_that_may_connect_and_not_publish_leaves_the_log_to_another(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let user = stage.vhost.user("mute").await;
    stage.vhost.permit(&user, ["^$", "^$", "^$"]).await;
    let mute = stage.relay().env("APP__BROKER__URL", &user.url).start();
    mute.until_ready(true).await;
    let _healthy = stage.relay().start();
    eventually("both own half", LONG, async || (owners(&stage.log.pool).await == [32, 32]).then_some(()))
        .await;
    add(&stage, GOOD, 0..500).await;
    arrived(&mut stage, GOOD, 500).await;
    stage.log.drained().await;
    eventually("the other one says why", LONG, async || {
        let problem = status(&mute).await[0]["relay"]["brokerProblem"].to_string();
        problem.contains("ACCESS_REFUSED").then_some(())
    })
    .await;
}

#[sqlx::test(migrations = false)]
async fn events_that_no_queue_takes_hold_up_their_type_and_nothing_else(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let user = stage.vhost.user("relay").await;
    stage.vhost.permit(&user, ["^$", r"^shop\.events$", "^$"]).await;
    // One type has a queue. The queue for all others is gone, and the relay may not declare it.
    stage.vhost.put("queues", "/wanted", &json!({"durable": true})).await;
    stage.vhost.bind("wanted", GOOD).await;
    for queue in ["recorder", "shop.unrouted"] {
        stage.vhost.delete("queues", &format!("/{queue}")).await;
    }
    stage.probe = stage.vhost.drain("wanted").await;
    let relay = stage.relay().env("APP__BROKER__URL", &user.url).start();
    for some in 0..50 {
        add(&stage, UNWANTED, 10 * some..10 * (some + 1)).await;
        add(&stage, GOOD, 20 * some..20 * (some + 1)).await;
    }
    arrived(&mut stage, GOOD, 1_000).await;
    eventually("the status names the type", LONG, async || {
        let status = status(&relay).await;
        (status[0]["relay"]["heldBack"][0]["eventType"] == UNWANTED).then_some(())
    })
    .await;
    relay.until_ready(true).await;
    stage.vhost.define().await;
    stage.log.drained().await;
    // Each is kept where unrouted events are, and none was taken for published before.
    stage.probe = stage.vhost.drain("shop.unrouted").await;
    arrived(&mut stage, UNWANTED, 500).await;
}
