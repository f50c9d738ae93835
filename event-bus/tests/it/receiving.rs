//! Delivered at least once, applied exactly once, in order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::PgPool;

use event_bus::inbox;
use test_kit::eventually;

use crate::support::{LONG, NOTED, Sent, Stage, raised};

#[sqlx::test(migrations = false)]
async fn an_event_sent_twice_has_its_effect_once(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let event = raised("a", 1, "");
    stage.send(&event).await;
    stage.until_applied(1).await;
    stage.send(&event).await;
    stage.send(&event).await;
    stage.until_received("repeated", 2).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 1)]);
    assert_eq!((stage.receipts("first"), stage.receipts("redelivered_known")), (1, 0));
}

#[sqlx::test(migrations = false)]
async fn an_event_that_was_committed_but_not_acknowledged_is_known_when_it_comes_again(pool: PgPool) {
    let is_first = AtomicBool::new(true);
    let stage = Stage::set_with(pool, move |vhost, consumer| {
        if is_first.swap(false, Ordering::SeqCst) {
            // The acknowledgement waits until its connection is gone.
            let (vhost, consumer) = (Arc::clone(vhost), consumer.to_owned());
            let closing = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(vhost.close_connections(&consumer));
            });
            closing.join().unwrap();
        }
    })
    .await;
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;
    stage.until_received("redelivered_known", 1).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 1)], "acknowledged at once, nothing touched");
    assert_eq!(stage.receipts("repeated"), 0);
}

#[sqlx::test(migrations = false)]
async fn where_only_the_newest_counts_an_older_event_has_no_effect(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.send(&Sent { event_type: NOTED, ..raised("a", 5, "") }).await;
    stage.until_applied(1).await;
    stage.send(&Sent { event_type: NOTED, ..raised("a", 4, "") }).await;
    stage.send(&raised("b", 1, "")).await;
    stage.until_received("stale", 1).await;
    stage.until_applied(2).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 5), ("b".to_owned(), 1)]);
}

#[sqlx::test(migrations = false)]
async fn an_event_that_comes_out_of_order_still_has_its_effect(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.send(&raised("a", 5, "")).await;
    stage.until_applied(1).await;
    let late = raised("a", 4, "");
    stage.send(&late).await;
    stage.until_applied(2).await;
    stage.send(&late).await;
    stage.until_received("repeated", 1).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 5), ("a".to_owned(), 4)]);
}

#[sqlx::test(migrations = false)]
async fn an_event_out_of_order_that_is_older_than_the_inbox_reaches_back_counts_as_a_repeat(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.send(&raised("a", 5, "")).await;
    stage.until_applied(1).await;
    let long_ago = chrono::Utc::now() - chrono::TimeDelta::days(8);
    stage.send(&Sent { occurred_at: long_ago, ..raised("a", 4, "") }).await;
    stage.until_received("stale", 1).await;
    // In its order it has its effect, however old it is.
    stage.send(&Sent { occurred_at: long_ago, ..raised("a", 6, "") }).await;
    stage.until_applied(2).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 5), ("a".to_owned(), 6)]);
}

#[sqlx::test(migrations = false)]
async fn events_of_one_key_and_type_from_two_sources_both_have_their_effect(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let long_ago = chrono::Utc::now() - chrono::TimeDelta::days(8);
    stage.send(&Sent { source: "/a", ..raised("a", 1_000, "") }).await;
    stage.until_applied(1).await;
    stage.send(&Sent { source: "/b", occurred_at: long_ago, ..raised("a", 3, "") }).await;
    stage.send(&Sent { source: "/a", event_type: NOTED, ..raised("a", 1_000, "") }).await;
    stage.send(&Sent { source: "/b", event_type: NOTED, ..raised("a", 3, "") }).await;
    let versions: Vec<i64> = stage.until_applied(4).await.into_iter().map(|(_, version)| version).collect();
    assert_eq!((versions, stage.receipts("stale")), (vec![1_000, 3, 1_000, 3], 0));
}

#[sqlx::test(migrations = false)]
async fn an_event_of_a_later_generation_is_newer_whatever_its_version(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let noted = async |generation: i64, version: i64| {
        let event = Sent { event_type: NOTED, ..raised("a", version, "") };
        let mut body: serde_json::Value =
            serde_json::from_slice(&event.outgoing().to_json().unwrap()).unwrap();
        body["generation"] = generation.into();
        let properties =
            lapin::BasicProperties::default().with_content_type("application/cloudevents+json".into());
        stage.vhost.publish("shop.events", NOTED, body.to_string().as_bytes(), properties).await;
    };
    noted(1, 9).await;
    stage.until_applied(1).await;
    noted(2, 3).await;
    stage.until_applied(2).await;
    noted(1, 10).await;
    stage.until_received("stale", 1).await;
    assert_eq!(stage.applied().await, [("a".to_owned(), 9), ("a".to_owned(), 3)]);
}

#[sqlx::test(migrations = false)]
async fn every_metric_of_a_subscriber_names_its_consumer(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 1).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.send(&raised("b", 1, "reject")).await;
    stage.send(&raised("c", 1, "")).await;
    stage.until_applied(1).await;
    stage.until_blocked(1).await;
    stage.dead_letter().await;
    let label = format!("consumer=\"{}\"", stage.consumer);
    let samples = Stage::samples();
    assert!(samples.iter().any(|sample| sample.starts_with("amqp_consumer_connected{")), "{samples:?}");
    let nameless: Vec<_> = samples.iter().filter(|sample| !sample.contains(&label)).collect();
    assert!(nameless.is_empty(), "{nameless:?}");
}

#[sqlx::test(migrations = false)]
async fn a_burst_is_applied_in_order_each_event_once_though_some_come_twice(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let events: Vec<_> =
        (1..=60).flat_map(|version| ["a", "b"].map(|key| raised(key, version, ""))).collect();
    for (index, event) in events.iter().enumerate() {
        stage.send(event).await;
        if index % 7 == 0 {
            stage.send(event).await;
        }
    }
    stage.until_applied(120).await;
    stage.until_received("repeated", 18).await;
    for key in ["a", "b"] {
        let of_key = stage.applied().await.into_iter().filter(|(name, _)| name == key);
        assert_eq!(of_key.map(|(_, version)| version).collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    }
}

#[sqlx::test(migrations = false)]
async fn a_stop_finishes_what_was_begun(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for version in 1..=50 {
        stage.send(&raised("a", version, "")).await;
    }
    stage.stop.cancel();
    let limit = crate::support::LONG;
    let Stage { running, pool, vhost, consumer, .. } = stage;
    tokio::time::timeout(limit, running).await.unwrap().unwrap();
    let applied: i64 = sqlx::query_scalar("select count(*) from applied").fetch_one(&pool).await.unwrap();
    // What was handed out and not acknowledged returns to the queue a moment after the connection ends.
    let mut rest = vhost.drain(&format!("{consumer}.events")).await;
    for _ in applied..50 {
        let message = rest.next(limit).await;
        let id: uuid::Uuid = message.json()["id"].as_str().unwrap().parse().unwrap();
        let known: bool = sqlx::query_scalar("select exists (select from inbox where event_id = $1)")
            .bind(id)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert!(!known, "committed, but not acknowledged");
    }
}

#[sqlx::test(migrations = false)]
async fn what_was_learned_by_another_way_while_events_were_on_theirs_makes_the_older_ones_stale(
    pool: PgPool,
) {
    let stage = Stage::set(pool).await;
    // Somebody who asked learns of version 7, and commits while a batch with 6, 7 and 8 waits for the guard.
    let mut tx = stage.pool.begin().await.unwrap();
    let news = inbox::advance(&mut tx, &stage.consumer, "/test", "a", &[NOTED], 7).await.unwrap();
    assert_eq!(news, [NOTED]);
    for version in 6..=8 {
        stage.send(&Sent { event_type: NOTED, ..raised("a", version, "") }).await;
    }
    eventually("the batch waits", LONG, async || {
        let waiting: i64 = sqlx::query_scalar("select count(*) from pg_locks where not granted")
            .fetch_one(&stage.pool)
            .await
            .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    tx.commit().await.unwrap();
    // The event of version 7 brings what is known already: it may say so again.
    let known_and_newer = [("a".to_owned(), 7), ("a".to_owned(), 8)];
    assert_eq!(stage.until_applied(2).await, known_and_newer);
    stage.until_received("stale", 1).await;
    assert_eq!(stage.applied().await, known_and_newer);
}

#[tokio::test]
async fn a_pattern_is_refused_as_an_event_type() {
    struct Everything;
    impl event_bus::Handler for Everything {
        const EVENT_TYPE: &'static str = "shop.catalog.*";
        type Payload = serde_json::Value;
        async fn handle(
            &self,
            _: &mut sqlx::Transaction<'_, sqlx::Postgres>,
            _: &event_bus::Received<serde_json::Value>,
        ) -> Result<(), event_bus::HandleError> {
            Ok(())
        }
    }
    let pool = PgPool::connect_lazy("postgres://localhost/none").unwrap();
    let broker = event_bus::BrokerConfig::new("amqp://localhost", "shop.events");
    let error = event_bus::Subscriber::new("greedy", pool, broker).handle(Everything).err().unwrap();
    assert!(error.to_string().starts_with("\"shop.catalog.*\" is no event type"), "{error}");
}

#[sqlx::test(migrations = false)]
async fn an_event_does_not_pass_one_of_its_key_that_another_process_has_made_wait_meanwhile(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let [first, second] = [1, 2].map(|version| raised("a", version, ""));
    // A process that has lost its connection to the broker is still about to have the first event wait.
    let mut frozen = stage.pool.begin().await.unwrap();
    for entered in [
        "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         values ($1, $2, '/test', 'shop.test.counter_raised.v1', 'a', 1, false, false)",
        "insert into inbox_waiting (consumer, event_id, source, event_type, key, generation, key_version,
                                    occurred_at, data, redelivered, holds_key)
         values ($1, $2, '/test', 'shop.test.counter_raised.v1', 'a', 1, 1, now(), '{\"value\":1}', false, true)",
    ] {
        sqlx::query(entered).bind(&stage.consumer).bind(first.id).execute(&mut *frozen).await.unwrap();
    }
    stage.send(&first).await;
    stage.send(&second).await;
    eventually("it waits for the other process", LONG, async || {
        let waiting: i64 = sqlx::query_scalar("select count(*) from pg_locks where not granted")
            .fetch_one(&stage.pool)
            .await
            .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    frozen.commit().await.unwrap();
    let applied = stage.until_applied(2).await;
    assert_eq!(applied, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    assert_eq!((stage.receipts("repeated"), stage.receipts("waiting")), (1, 1));
}

#[sqlx::test(migrations = false)]
async fn an_inbox_of_before_learns_the_sources_of_its_keys(pool: PgPool) {
    let [create, more @ ..] = inbox::MIGRATIONS else { panic!("no migrations") };
    sqlx::raw_sql(create.sql).execute(&pool).await.unwrap();
    sqlx::raw_sql(
        "insert into inbox values
            ('c', gen_random_uuid(), '/old', 'twice', 'a', 1, true, false, now() - interval '1 hour'),
            ('c', gen_random_uuid(), '/new', 'twice', 'a', 2, true, false, now()),
            ('c', gen_random_uuid(), '/one', 'once', 'a', 1, true, false, now());
         insert into inbox_version values ('c', 'a', 'twice', 2, 1), ('c', 'a', 'once', 1, null), ('c', 'purged', 'once', 7, null),
            ('c', 'purged', 'never', 1, null)",
    )
    .execute(&pool)
    .await
    .unwrap();
    for migration in more {
        sqlx::raw_sql(migration.sql).execute(&pool).await.unwrap();
    }
    let known: Vec<(String, String, String, i64, i64)> = sqlx::query_as(
        "select source, key, event_type, generation, key_version from inbox_version order by event_type, key",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let known: Vec<_> = known
        .iter()
        .map(|(source, key, kind, generation, version)| {
            (source.as_str(), key.as_str(), kind.as_str(), *generation, *version)
        })
        .collect();
    let expected = [
        ("", "purged", "never", 1, 1),
        ("/one", "a", "once", 1, 1),
        ("/one", "purged", "once", 1, 7),
        ("/new", "a", "twice", 1, 2),
    ];
    assert_eq!(known, expected);
}
