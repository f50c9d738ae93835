//! What is committed is published, as it should be.

use event_bus::{TraceContext, outbox};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{LONG, MOMENT, Stage, assert_in_order};

#[sqlx::test(migrations = false)]
async fn what_is_committed_is_published_once_and_marked(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let ids = stage.log.raise("a", 1..=1).await;
    let _relay = stage.relay().start();

    let message = stage.probe.next(LONG).await;
    assert_eq!(message.routing_key, "shop.test.counter_raised.v1");
    let event = message.json();
    assert_eq!(event["id"], json!(ids[0]));
    assert_eq!(event["source"], "/test");
    assert_eq!(event["type"], "shop.test.counter_raised.v1");
    assert_eq!(
        (&event["subject"], &event["partitionkey"], &event["sequence"]),
        (&json!("a"), &json!("a"), &json!("00000000000000000001"))
    );
    assert_eq!(event["data"], json!({"counter": "a", "value": 1}));
    let properties = &message.properties;
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), ids[0].to_string());
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
    assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "test");
    assert_eq!(*properties.delivery_mode(), Some(2), "kept on disk");

    stage.log.drained().await;
    assert_eq!(stage.log.count("Published").await, 1);
    assert!(stage.probe.try_next(MOMENT).await.is_none(), "published once");
}

#[sqlx::test(migrations = false)]
async fn an_event_of_a_running_relay_is_announced_without_waiting_for_the_next_poll(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    relay.until_ready(true).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let notifier = outbox::Notifier::start(stage.log.pool.clone(), stop.clone());
    let mut took = Vec::new();
    for value in 1..=9 {
        // After a second of rest the next poll is a second away.
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let committed = std::time::Instant::now();
        stage.log.raise("a", value..=value).await;
        notifier.notify();
        stage.seen(1).await;
        took.push(committed.elapsed());
    }
    stop.cancel();
    took.sort();
    assert!(took[4] < std::time::Duration::from_millis(250), "half of them took longer than {:?}", took[4]);
}

#[sqlx::test(migrations = false)]
async fn a_transaction_that_took_its_place_early_and_commits_late_is_not_lost(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let _relay = stage.relay().start();
    let late = crate::support::Log { pool: stage.log.pool.clone(), url: stage.log.url.clone() };
    let mut tx = late.pool.begin().await.unwrap();
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         values (gen_random_uuid(), 'shop.test.counter_raised.v1', 'late', 1, 0, '{}')",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    stage.log.raise("early", 1..=1).await;
    assert_eq!(stage.seen(1).await, [("early".to_owned(), 1)]);
    assert!(stage.probe.try_next(MOMENT).await.is_none(), "not before its commit");
    tx.commit().await.unwrap();
    assert_eq!(stage.seen(1).await, [("late".to_owned(), 1)]);
}

#[sqlx::test(migrations = false)]
async fn events_of_a_key_keep_their_order_and_all_arrive(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.log.raise_many(20, 40).await;
    let _relay = stage.relay().env("APP__RELAY__BATCH_SIZE", "77").start();
    let seen = stage.seen(800).await;
    assert_eq!(assert_in_order(&seen), 0, "none is repeated when nothing goes wrong");
    stage.log.drained().await;
}

#[derive(serde::Serialize)]
struct Traced {}

impl event_bus::Event for Traced {
    const TYPE: &'static str = "shop.test.traced.v1";

    fn key(&self) -> String {
        "t".to_owned()
    }

    fn version(&self) -> i64 {
        1
    }
}

#[sqlx::test(migrations = false)]
async fn the_trace_of_the_request_travels_with_the_event(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let _relay = stage.relay().start();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceContext::parse(parent, Some("vendor=1")).unwrap();
    let mut tx = stage.log.pool.begin().await.unwrap();
    outbox::append_traced(&mut tx, &Traced {}, &trace).await.unwrap();
    tx.commit().await.unwrap();
    let message = stage.probe.next(LONG).await;
    assert_eq!(message.header("traceparent").as_deref(), Some(parent));
    assert_eq!(message.header("tracestate").as_deref(), Some("vendor=1"));
    assert_eq!(message.json()["traceparent"], parent);
}

#[sqlx::test(migrations = false)]
async fn an_event_that_no_queue_is_bound_for_can_be_looked_at(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.vhost.delete("queues", "/recorder").await;
    stage.log.raise("a", 1..=1).await;
    let _relay = stage.relay().start();
    stage.log.drained().await;
    let message = stage.vhost.take("shop.unrouted").await.expect("kept in shop.unrouted");
    assert_eq!(message.json()["subject"], "a");
}

#[sqlx::test(migrations = false)]
async fn a_stop_marks_what_was_confirmed_and_repeats_nothing(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.log.raise_many(50, 60).await;
    let mut relay = stage.relay().env("APP__RELAY__BATCH_SIZE", "500").start();
    let mut seen = stage.seen(200).await;
    relay.signal(test_kit::Signal::TERM);
    assert!(relay.ended().await.success(), "a stop is no failure");
    let left: i64 =
        sqlx::query_scalar("select count(*) from outbox_relay").fetch_one(&stage.log.pool).await.unwrap();
    assert_eq!(left, 0, "it gave its partitions up");

    let _relay = stage.relay().start();
    seen.extend(stage.seen(3_000 - 200).await);
    assert_eq!(assert_in_order(&seen), 0, "what was confirmed was marked, so nothing is sent again");
    assert!(stage.probe.try_next(MOMENT).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn further_headers_of_a_row_go_along_with_its_message_and_those_that_do_not_are_counted(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let insert = r#"insert into integration_event_log (event_type, key, payload, headers)
        select 'shop.test.noted.v1', key::text, '{}',
               format('{"tenant": "blue", "attempt": 3, "CC": ["elsewhere"], "x-reason": "", "x-death": 1, "%s": 1, "": null}',
                      repeat('n', 256))::json
          from generate_series(1, 2) as key"#;
    sqlx::raw_sql(insert).execute(&stage.log.pool).await.unwrap();
    let relay = stage.relay().start();
    for _ in 0..2 {
        let message = stage.probe.next(LONG).await;
        assert_eq!(message.header("tenant").as_deref(), Some("blue"));
        assert_eq!(message.header("attempt").as_deref(), Some("3"));
        assert_eq!(message.header("CC"), None, "the broker would follow it");
        assert_eq!(message.header("x-reason"), None, "it would tell of a failure");
    }
    stage.log.drained().await;
    let metrics = relay.get("/metrics").await.text().await.unwrap();
    for (class, count) in [("copies", 2), ("failure", 4), ("name", 2)] {
        let is_it = |line: &&str| {
            line.starts_with("outbox_dropped_headers_total{") && line.contains(&format!("\"{class}\""))
        };
        let line = metrics.lines().find(is_it).unwrap_or_else(|| panic!("{class}: {metrics}"));
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
    assert_eq!(relay.log().matches("a header does not go along").count(), 1, "once a type: {}", relay.log());
}
