//! What cannot be handled goes where somebody can look at it, and holds nobody up.

use std::sync::Arc;

use lapin::types::AMQPValue;
use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{CountUp, LONG, RAISED, Stage, broker, raised};

#[sqlx::test(migrations = false)]
async fn messages_that_are_no_events_are_dead_lettered_with_the_reason(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let cloud = || lapin::BasicProperties::default().with_content_type("application/cloudevents+json".into());
    let event = |version: &str, id: &str, data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/x","type":"{RAISED}","subject":"a","sequence":"{version}","data":{data}}}"#
        )
    };
    let id = uuid::Uuid::now_v7().to_string();
    for (body, says) in [
        ("not json".to_owned(), "not a CloudEvents event"),
        ("{}".to_owned(), "missing field"),
        (event("1", "seven", "{}"), "`id` is not a UUID"),
        (event("one", &id, "{}"), "`sequence`"),
        (
            event("1", &id, "{}").replace("{\"spec", "{\"time\":\"-9999-01-01T00:00:00Z\",\"spec"),
            "the years 1 to 9999",
        ),
        (event("1", &id, r#"{"value":"one"}"#), "not that of a shop.test.counter_raised.v1"),
        (event("1", &id, r#"{"value":1,"wish":"a\u0000b"}"#), "NUL"),
        (
            event("1", &id, r#"{"value":1}"#).replace("counter_raised.v1", "counter_raised.v9"),
            "no handler for",
        ),
        ("x".repeat(300_000), "the limit is"),
    ] {
        stage.vhost.publish("shop.events", RAISED, body.as_bytes(), cloud()).await;
        let (reason, message) = stage.dead_letter().await;
        assert!(reason.contains(says), "{body:.100}: {reason}");
        assert_eq!(message.body, body.as_bytes(), "as it came");
        assert_eq!(message.header("x-original-routing-key").as_deref(), Some(RAISED));
    }
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;
}

#[sqlx::test(migrations = false)]
async fn one_message_that_is_rejected_holds_none_of_its_batch_up(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for version in 1..=10 {
        stage.send(&raised("good", version, "")).await;
        if version == 5 {
            stage.send(&raised("bad", 1, "reject")).await;
        }
    }
    let applied = stage.until_applied(10).await;
    assert_eq!(applied.iter().map(|(_, version)| *version).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let (reason, message) = stage.dead_letter().await;
    assert_eq!((reason.as_str(), &message.json()["subject"]), ("this one is rejected", &"bad".into()));
    let entered: bool = sqlx::query_scalar("select exists (select from inbox where key = 'bad')")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert!(!entered, "what had no effect can be replayed from the dead-letter queue");
}

#[sqlx::test(migrations = false)]
async fn a_message_that_cannot_be_dead_lettered_now_comes_again_alone(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let full = serde_json::json!({"pattern": stage.dead(), "apply-to": "queues", "priority": 99,
        "definition": {"max-length": 1, "overflow": "reject-publish"}});
    stage.vhost.put("policies", "/full", &full).await;
    let one = [(stage.dead(), Vec::new(), lapin::BasicProperties::default())];
    eventually("no dead letter is taken", LONG, async || {
        (stage.vhost.try_publish_all("", &one).await == 0).then_some(())
    })
    .await;
    stage.send(&raised("bad", 1, "reject")).await;
    for version in 1..=5 {
        stage.send(&raised("good", version, "")).await;
    }
    stage.until_applied(5).await;
    let config = broker(&stage.vhost);
    eventually("the others are acknowledged", LONG, async || {
        let depths = event_bus::relay::depths(&config, &stage.consumer, "test").await.unwrap();
        // While it is on its way again it is not counted as ready.
        (depths.ready == 1).then_some(())
    })
    .await;
    stage.vhost.delete("policies", "/full").await;
    eventually("it is dead-lettered", LONG, async || {
        stage.vhost.take(&stage.dead()).await.filter(|message| !message.body.is_empty())
    })
    .await;
}

#[sqlx::test(migrations = false)]
async fn messages_that_no_dead_letter_queue_takes_come_again(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.vhost.delete("queues", &format!("/{}", stage.dead())).await;
    let named = || lapin::BasicProperties::default().with_message_id(uuid::Uuid::now_v7().to_string().into());
    let bad: Vec<_> = (0..20).map(|n: u8| (RAISED.to_owned(), vec![b'x', n], named())).collect();
    stage.vhost.publish_all("shop.events", &bad).await;
    let mut bodies = Vec::new();
    for _ in 0..bad.len() {
        bodies.push(stage.dead_letter().await.1.body);
    }
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), bad.len(), "each is there, once it is declared again");
}

#[sqlx::test(migrations = false)]
async fn a_message_that_fails_is_tried_again_later_while_others_flow(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.hold("slow").await;
    stage.send(&raised("slow", 1, "wait")).await;
    stage.until_waiting(1).await;
    stage.send(&raised("fast", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, [("fast".to_owned(), 1)]);
    stage.release("slow").await;
    let applied = stage.until_applied(2).await;
    assert_eq!(applied, [("fast".to_owned(), 1), ("slow".to_owned(), 1)]);
    assert!(stage.vhost.take(&stage.dead()).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn a_handler_that_panics_takes_nobody_with_it(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.send(&raised("bad", 1, "panic")).await;
    stage.send(&raised("good", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, [("good".to_owned(), 1)]);
    stage.until_waiting(1).await;
    let reason: String =
        sqlx::query_scalar("select reason from inbox_waiting").fetch_one(&stage.pool).await.unwrap();
    assert_eq!(reason, "the handler panicked");
    assert!(stage.health.is_connected());
}

#[sqlx::test(migrations = false)]
async fn a_message_that_wishes_for_copies_of_itself_is_dead_lettered_once(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for name in ["CC", "BCC"] {
        let mut headers = lapin::types::FieldTable::default();
        // The broker would put a copy back into the queue each time that this one is sent on.
        let keys = ["again", "dead"].map(|key| AMQPValue::LongString(key.into()));
        headers.insert(name.into(), AMQPValue::FieldArray(keys.to_vec().into()));
        let properties = lapin::BasicProperties::default().with_headers(headers);
        stage.vhost.publish("shop.events", RAISED, name.as_bytes(), properties).await;
        assert_eq!(stage.dead_letter().await.1.body, name.as_bytes());
    }
    // What would come back has come back before this one, which is behind it in the queue.
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;
    assert!(stage.vhost.take(&stage.dead()).await.is_none(), "there is a copy");
}

#[sqlx::test(migrations = false)]
async fn a_bad_message_whose_headers_fill_a_frame_is_dead_lettered_without_them(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("x-fill".into(), AMQPValue::LongString("x".repeat(130_950).into()));
    headers.insert("x-note".into(), AMQPValue::LongString("small".into()));
    let full = lapin::BasicProperties::default().with_headers(headers);
    stage.send(&raised("a", 1, "")).await;
    stage.vhost.publish("shop.events", RAISED, b"not an event", full).await;
    for version in 2..=99 {
        stage.send(&raised("a", version, "")).await;
    }
    stage.until_applied(99).await;

    let config = crate::support::broker(&stage.vhost);
    let admin = event_bus::rabbitmq::QueueAdmin::new(&stage.consumer, config);
    let letters = eventually("it is dead-lettered", LONG, async || {
        let letters = admin.dead_letters(10).await.unwrap();
        (letters.count == 1).then_some(letters)
    })
    .await;
    let reason = &letters.data[0].reason;
    assert!(reason.contains("dropped headers that did not fit into a frame: \"x-fill\" of 13"), "{reason}");
    let (_, message) = stage.dead_letter().await;
    assert_eq!(message.header("x-note").as_deref(), Some("small"));
    let again: i64 = sqlx::query_scalar("select count(*) from inbox where redelivered")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert_eq!(again, 0, "the connection was kept");
}

#[sqlx::test(migrations = false)]
async fn a_message_that_cannot_be_received_is_reported_and_the_others_flow(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.stop.cancel();
    // To this one every message is readable.
    (&mut stage.running).await.unwrap();
    let redirect = format!("{}.redirect", stage.queue());
    let limit = serde_json::json!({
        "pattern": format!("^{}$", stage.queue()), "apply-to": "queues", "priority": 9,
        "definition": {"delivery-limit": 3, "dead-letter-exchange": redirect, "dead-letter-routing-key": "dead"},
    });
    stage.vhost.put("policies", "/limit", &limit).await;
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("x-fill".into(), AMQPValue::LongString("x".repeat(100_000).into()));
    let full = lapin::BasicProperties::default().with_headers(headers);
    stage.send(&raised("before", 1, "")).await;
    stage.vhost.publish("shop.events", RAISED, b"its headers are larger than a frame", full).await;
    for version in 1..=50 {
        stage.send(&raised("behind", version, "")).await;
    }

    // Headers are one frame, which is never split.
    let narrow = format!("{}?frame_max=8192", stage.vhost.url);
    let config = event_bus::BrokerConfig::new(narrow, "shop.events");
    let subscriber = event_bus::Subscriber::new(&stage.consumer, stage.pool.clone(), config)
        .handle(CountUp { met: Arc::default() })
        .unwrap();
    let (health, stop) = (subscriber.health(), tokio_util::sync::CancellationToken::new());
    let running = tokio::spawn(subscriber.run(stop.clone()));
    eventually("an operator is told", LONG, async || {
        health.problem().filter(|problem| problem.contains("cannot be received"))
    })
    .await;
    stage.until_applied(51).await;
    eventually("it consumes again", LONG, async || health.is_connected().then_some(())).await;
    let (_, message) = stage.dead_letter().await;
    assert_eq!(message.body, b"its headers are larger than a frame");
    assert!(stage.vhost.take(&stage.dead()).await.is_none(), "no innocent one is dead-lettered");
    stop.cancel();
    running.await.unwrap();
}
