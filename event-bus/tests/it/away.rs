//! The database or the broker is away.

use sqlx::{Connection, PgConnection, PgPool};
use test_kit::{Mode, eventually};

use crate::support::{LONG, Stage, broker, limited, raised};

/// The stage's subscriber once more; what it cannot handle for a second it gives back.
fn next_subscriber(stage: &Stage, broker: event_bus::BrokerConfig) -> event_bus::Subscriber {
    let mut limits = event_bus::consumer::SubscriberConfig::default();
    limits.hold_s = 1;
    event_bus::Subscriber::new(&stage.consumer, stage.pool.clone(), broker)
        .handle(crate::support::CountUp { met: std::sync::Arc::default() })
        .unwrap()
        .config(limits)
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn while_the_database_is_away_nothing_is_consumed_and_nothing_is_lost(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;

    let name = stage.pool.connect_options().get_database().unwrap().to_owned();
    let mut administrator = PgConnection::connect(&std::env::var("DATABASE_URL").unwrap()).await.unwrap();
    // Two statements, each committed: in one, a cut session could come back in between.
    for close in [
        format!("alter database \"{name}\" allow_connections false"),
        format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(close)).execute(&mut administrator).await.unwrap();
    }
    for version in 2..=20 {
        stage.send(&raised("a", version, "")).await;
    }
    eventually("it stops consuming", LONG, async || (!stage.health.is_connected()).then_some(())).await;

    let open = format!("alter database \"{name}\" allow_connections true");
    sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut administrator).await.unwrap();
    let applied = stage.until_applied(20).await;
    assert_eq!(applied.iter().map(|(_, version)| *version).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert!(stage.vhost.take(&stage.dead()).await.is_none(), "an outage makes no message guilty");
}

#[sqlx::test(migrations = false)]
async fn a_cut_connection_to_the_broker_is_opened_again(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.vhost.close_connections(&stage.consumer).await;
    for version in 1..=5 {
        stage.send(&raised("a", version, "")).await;
    }
    stage.until_applied(5).await;
    stage.consuming().await;
}

#[sqlx::test(migrations = false)]
async fn a_deleted_queue_is_declared_again(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.vhost.delete("queues", &format!("/{}", stage.queue())).await;
    eventually("it notices", LONG, async || (!stage.health.is_connected()).then_some(())).await;
    stage.consuming().await;
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;
}

#[sqlx::test(migrations = false)]
async fn a_binding_that_went_with_its_exchange_is_made_again(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.vhost.delete("exchanges", "/shop.events").await;
    // Declared anew by whoever publishes, with no queue bound to it but the one for unrouted events.
    let config = broker(&stage.vhost);
    let publisher = event_bus::relay::Publisher::connect(&config, "relay").await.unwrap();
    let mut version = 0;
    eventually("an event arrives again", LONG, async || {
        version += 1;
        stage.send_by(&publisher, &raised("a", version, "")).await;
        (!stage.applied().await.is_empty()).then_some(())
    })
    .await;
    publisher.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_subscriber_waits_for_the_exchange_that_the_relay_declares(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let config = broker(&vhost);
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&pool).await.unwrap();
    let subscriber = event_bus::Subscriber::new("early", pool, config.clone())
        .handle(crate::support::CountUp { met: std::sync::Arc::default() })
        .unwrap();
    let health = subscriber.health();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(subscriber.run(stop.clone()));
    let publisher = event_bus::relay::Publisher::connect(&config, "relay").await.unwrap();
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    publisher.close().await;
    stop.cancel();
    tokio::time::timeout(LONG, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_handler_for_one_type_is_refused() {
    let pool = PgPool::connect_lazy("postgres://localhost/none").unwrap();
    let count_up = || crate::support::CountUp { met: std::sync::Arc::default() };
    let broker = event_bus::BrokerConfig::new("amqp://localhost", "shop.events");
    let one = event_bus::Subscriber::new("twice", pool, broker).handle(count_up()).unwrap();
    let error = one.handle(count_up()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "there is a handler for events of type shop.test.counter_raised.v1 already"
    );
}

/// Fails unless every event was applied at its first delivery, none of them through a retry queue.
async fn nobody_was_blamed(stage: &Stage, count: usize) {
    stage.until_applied(count).await;
    let again: i64 = sqlx::query_scalar("select count(*) from inbox where redelivered")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert_eq!(again, 0, "handed back to the broker, which counts that against each message");
    assert_eq!(stage.waiting().await, []);
    assert!(stage.vhost.take(&stage.dead()).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_not_migrated_yet_makes_no_message_guilty(pool: PgPool) {
    let stage = Stage::set(pool).await;
    sqlx::raw_sql("alter table inbox rename to inbox_elsewhere").execute(&stage.pool).await.unwrap();
    for version in 1..=5 {
        stage.send(&raised("a", version, "")).await;
    }
    eventually("it stops consuming", LONG, async || (!stage.health.is_connected()).then_some(())).await;
    sqlx::raw_sql("alter table inbox_elsewhere rename to inbox").execute(&stage.pool).await.unwrap();
    nobody_was_blamed(&stage, 5).await;
}

#[sqlx::test(migrations = false)]
async fn messages_given_back_are_not_taken_again_before_the_database_has_handled_them(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    // A second time would be once too often.
    let limit = serde_json::json!({"pattern": ".*", "definition": {"delivery-limit": 1}, "apply-to": "queues", "priority": 9});
    stage.vhost.put("policies", "/limit", &limit).await;
    stage.stop.cancel();
    // It would hold the messages that it still took until the lock is released.
    (&mut stage.running).await.unwrap();
    let config = broker(&stage.vhost);
    let subscriber = next_subscriber(&stage, config.clone());
    let (health, stop) = (subscriber.health(), tokio_util::sync::CancellationToken::new());
    let mut migration = stage.pool.begin().await.unwrap();
    sqlx::raw_sql("lock table inbox in share mode").execute(&mut *migration).await.unwrap();
    for version in 1..=5 {
        stage.send(&raised("a", version, "")).await;
    }
    let running = tokio::spawn(subscriber.run(stop.clone()));

    let depths = async || event_bus::relay::depths(&config, &stage.consumer, "test").await.unwrap();
    eventually("they are given back", LONG, async || {
        let is_given_back = health.problem().is_some_and(|problem| problem.contains("gave messages back"));
        (is_given_back && depths().await.ready == 5).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(depths().await.consumers, 0, "it asks the database first");
    }
    migration.commit().await.unwrap();
    stage.until_applied(5).await;
    eventually("all are acknowledged", LONG, async || {
        // Those of the kept batch come again and are known; the others are first received now.
        let receipts = health.receipts();
        let is_done = receipts.first == 5 && receipts.redelivered_known > 0 && health.in_hand() == 0;
        (health.is_connected() && is_done && depths().await.ready == 0).then_some(())
    })
    .await;
    assert!(stage.vhost.take(&stage.dead()).await.is_none(), "an outage makes no message guilty");
    stop.cancel();
    running.await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn messages_that_the_broker_does_not_take_back_are_not_taken_again_before_the_database_is_back(
    pool: PgPool,
) {
    let mut stage = Stage::set(pool).await;
    stage.stop.cancel();
    (&mut stage.running).await.unwrap();
    let config = broker(&stage.vhost);
    let (proxy, url) = stage.vhost.proxied().await;
    let mut through = config.clone();
    through.url = format!("{url}?heartbeat=2").into();
    let subscriber = next_subscriber(&stage, through);
    let (health, stop) = (subscriber.health(), tokio_util::sync::CancellationToken::new());
    let mut migration = stage.pool.begin().await.unwrap();
    sqlx::raw_sql("lock table inbox in share mode").execute(&mut *migration).await.unwrap();
    stage.send(&raised("a", 1, "")).await;
    let running = tokio::spawn(subscriber.run(stop.clone()));
    eventually("it holds the message", LONG, async || (health.in_hand() > 0).then_some(())).await;
    proxy.set(Mode::Silent);
    eventually("it cannot give it back", LONG, async || {
        let problem = health.problem().unwrap_or_default();
        (problem.contains("cannot give messages back") || problem.contains("cannot stop consuming"))
            .then_some(())
    })
    .await;
    proxy.reset();
    proxy.pass();
    let depths = async || event_bus::relay::depths(&config, &stage.consumer, "test").await.unwrap();
    eventually("it is back", LONG, async || (depths().await.ready == 1).then_some(())).await;
    for _ in 0..20 {
        assert_eq!(depths().await.consumers, 0, "it asks the database first");
    }
    migration.commit().await.unwrap();
    stage.until_applied(1).await;
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    stop.cancel();
    running.await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn an_event_that_cannot_be_dead_lettered_for_long_holds_no_other_up(pool: PgPool) {
    // The server allows no transaction to be idle for as long as the broker is waited for.
    let mut stage = Stage::set(limited(&pool, "idle_in_transaction_session_timeout = '1s'").await).await;
    for (key, wish) in [("a", "wait, then reject"), ("b", "wait")] {
        stage.hold(key).await;
        stage.send(&raised(key, 1, wish)).await;
    }
    stage.until_waiting(2).await;
    stage.stop.cancel();
    (&mut stage.running).await.unwrap();
    for key in ["a", "b"] {
        stage.release(key).await;
    }
    stage.try_first("a").await;
    let (proxy, url) = stage.vhost.proxied().await;
    proxy.set(Mode::Silent);
    let through = event_bus::BrokerConfig::new(format!("{url}?connection_timeout=2000"), "shop.events");
    let subscriber = next_subscriber(&stage, through);
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(subscriber.run(stop.clone()));
    assert_eq!(stage.until_applied(1).await, [("b".to_owned(), 1)]);
    assert_eq!(stage.waiting().await, [("a".to_owned(), 1)], "it is not lost");
    proxy.reset();
    proxy.pass();
    assert_eq!(stage.dead_letter().await.0, "this one is rejected");
    stage.until_waiting(0).await;
    stop.cancel();
    running.await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_batch_that_the_broker_takes_back_is_handled_once_and_more_is_consumed_afterwards(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    if stage.vhost.version().await < (3, 12) {
        eprintln!("skipped: before RabbitMQ 3.12 the limit is one for all queues, not a policy");
        return;
    }
    stage.stop.cancel();
    (&mut stage.running).await.unwrap();
    // The broker takes back what is not acknowledged in a second. It looks once a minute.
    stage.vhost.limited(&stage.consumer, serde_json::json!({"consumer-timeout": 1_000})).await;
    let config = broker(&stage.vhost);
    let mut limits = event_bus::consumer::SubscriberConfig::default();
    limits.hold_s = 1_000;
    let subscriber = event_bus::Subscriber::new(&stage.consumer, stage.pool.clone(), config.clone())
        .handle(crate::support::CountUp { met: std::sync::Arc::default() })
        .unwrap()
        .config(limits)
        .unwrap();
    let (health, stop) = (subscriber.health(), tokio_util::sync::CancellationToken::new());
    let mut migration = stage.pool.begin().await.unwrap();
    sqlx::raw_sql("lock table inbox in share mode").execute(&mut *migration).await.unwrap();
    for version in 1..=5 {
        stage.send(&raised("a", version, "")).await;
    }
    let running = tokio::spawn(subscriber.run(stop.clone()));

    let depths = async || event_bus::relay::depths(&config, &stage.consumer, "test").await;
    eventually("it holds them", LONG, async || (health.in_hand() > 0).then_some(())).await;
    eventually("all are taken back, and the connection is dropped", 5 * LONG, async || {
        let depths = depths().await.ok()?;
        (depths.consumers == 0 && depths.ready == 5).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(depths().await.unwrap().consumers, 0, "it asks the database first");
    }
    let problem = health.problem().unwrap_or_default();
    assert!(problem.contains("cannot consume"), "it says what happened: {problem}");

    migration.commit().await.unwrap();
    let applied = stage.until_applied(5).await;
    assert_eq!(applied.iter().map(|(_, version)| *version).collect::<Vec<_>>(), (1..=5).collect::<Vec<_>>());
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    stage.send(&raised("a", 6, "")).await;
    stage.until_applied(6).await;
    assert!(stage.vhost.take(&stage.dead()).await.is_none(), "an outage makes no message guilty");
    stop.cancel();
    running.await.unwrap();
}
