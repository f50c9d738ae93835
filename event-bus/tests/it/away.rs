//! The database or the broker is away.

use sqlx::{Connection, PgConnection, PgPool};
use test_kit::eventually;

use crate::support::{LONG, Stage, raised};

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
async fn a_subscriber_waits_for_the_exchange_that_the_relay_declares(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let settings = event_bus::BrokerSettings::new(vhost.url.clone());
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&pool).await.unwrap();
    let subscriber = event_bus::Subscriber::new("early", pool, settings.clone())
        .handle(crate::support::CountUp { met: std::sync::Arc::default() });
    let health = subscriber.health();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(subscriber.run(stop.clone()));
    let publisher = event_bus::broker::Publisher::connect(&settings, "relay").await.unwrap();
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    publisher.close().await;
    stop.cancel();
    tokio::time::timeout(LONG, running).await.unwrap().unwrap();
}
