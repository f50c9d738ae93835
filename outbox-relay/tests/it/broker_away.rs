//! The broker is away, at start and later.

use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{LONG, Stage, assert_in_order, user};

#[sqlx::test(migrations = false)]
async fn an_outage_of_the_broker_costs_nothing_but_time(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    relay.until_ready(true).await;
    stage.log.raise("a", 1..=1).await;
    stage.seen(1).await;

    // The relay's user is locked out and its connections are closed: a broker that is there for nobody.
    let lock = json!({"configure": "", "write": "", "read": ""});
    let administrator = user();
    stage.vhost.put("permissions", &format!("/{administrator}"), &lock).await;
    stage.vhost.close_connections("relay-").await;
    stage.log.raise("a", 2..=40).await;
    relay.until_ready(false).await;
    let failed: i64 = sqlx::query_scalar(
        "select count(*) from integration_event_log where state <> 'NotPublished' and key_version > 1 or last_error is not null",
    )
    .fetch_one(&stage.log.pool)
    .await
    .unwrap();
    assert_eq!(failed, 0, "an outage is counted against no event");

    let open = json!({"configure": ".*", "write": ".*", "read": ".*"});
    stage.vhost.put("permissions", &format!("/{administrator}"), &open).await;
    let mut seen = vec![("a".to_owned(), 1)];
    seen.extend(stage.seen(39).await);
    assert_in_order(&seen);
    relay.until_ready(true).await;
}

#[sqlx::test(migrations = false)]
async fn a_relay_starts_before_its_broker(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.log.raise("a", 1..=1).await;
    let permissions = format!("/{}", user());
    stage.vhost.delete("permissions", &permissions).await;
    let relay = stage.relay().start();
    relay.until_ready(false).await;
    assert_eq!(relay.get("/health/live").await.status(), 200, "alive all the same");
    assert_eq!(stage.log.count("NotPublished").await, 1);

    let open = json!({"configure": ".*", "write": ".*", "read": ".*"});
    stage.vhost.put("permissions", &permissions, &open).await;
    assert_eq!(stage.seen(1).await, [("a".to_owned(), 1)]);
    relay.until_ready(true).await;
}

#[sqlx::test(migrations = false)]
async fn a_message_that_a_broken_topology_returns_stays_pending_until_it_is_mended(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    relay.until_ready(true).await;
    stage.vhost.delete("queues", "/shop.unrouted").await;
    stage.vhost.delete("queues", "/recorder").await;
    stage.log.raise("a", 1..=2).await;
    // Confirmed and returned: whoever took that for published would have nothing in any queue. The relay
    // connects anew, which declares what is missing, and sends them again.
    stage.log.drained().await;
    for version in ["00000000000000000001", "00000000000000000002"] {
        let kept = stage.vhost.take("shop.unrouted").await.expect("kept where unrouted events are kept");
        assert_eq!(kept.json()["sequence"], version);
    }
    relay.until_ready(true).await;
}

#[sqlx::test(migrations = false)]
async fn a_deleted_exchange_is_declared_again(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    relay.until_ready(true).await;
    stage.vhost.delete("exchanges", "/shop.events").await;
    stage.log.raise("a", 1..=1).await;
    stage.log.drained().await;
    let kept = stage.vhost.take("shop.unrouted").await.expect("the probe was no longer bound");
    assert_eq!(kept.json()["subject"], "a");
    stage.probe = stage.vhost.recorder().await;
    stage.log.raise("a", 2..=2).await;
    assert_eq!(stage.seen(1).await, [("a".to_owned(), 2)]);
}

#[sqlx::test(migrations = false)]
async fn without_its_exchange_and_the_right_to_declare_it_a_relay_says_so_and_everything_waits(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let user = stage.vhost.user("relay").await;
    stage.vhost.permit(&user, ["^$", r"^shop\.events$", "^$"]).await;
    let relay = stage.relay().env("APP__BROKER__URL", &user.url).start();
    relay.until_ready(true).await;
    stage.log.raise("a", 1..=1).await;
    stage.seen(1).await;

    stage.vhost.delete("exchanges", "/shop.events").await;
    stage.log.raise("a", 2..=20).await;
    relay.until_ready(false).await;
    let sentence = "there is no exchange shop.events (topic, durable, alternate-exchange=shop.unrouted), and this \
                    user may not declare it";
    eventually("it says what is missing", LONG, async || {
        let status: Value = relay.get("/api/v1/outbox/status").await.json().await.ok()?;
        status[0]["relay"]["brokerProblem"].as_str()?.contains(sentence).then_some(())
    })
    .await;
    let tried: i64 = sqlx::query_scalar(
        "select count(*) from integration_event_log
          where state = 'PublishedFailed' or last_error is not null or state = 'NotPublished' and times_sent > 0",
    )
    .fetch_one(&stage.log.pool)
    .await
    .unwrap();
    assert_eq!(tried, 0, "nothing counts as an attempt");

    stage.vhost.define().await;
    stage.vhost.bind("recorder", "#").await;
    stage.log.drained().await;
    relay.until_ready(true).await;
}
