//! A database is away, at start and later.

use sqlx::{Connection, PgConnection, PgPool};
use test_kit::eventually;

use crate::support::{LONG, Stage, assert_in_order};

#[sqlx::test(migrations = false)]
async fn sessions_that_are_cut_are_opened_again(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    relay.until_ready(true).await;
    let mut seen = Vec::new();
    for round in 0..3 {
        stage.log.raise_many_from(20, round * 5 + 1, 5).await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and application_name = 'outbox-relay'",
        )
        .execute(&stage.log.pool)
        .await
        .unwrap();
        seen.extend(stage.seen(100).await);
    }
    stage.log.drained().await;
    while let Some(message) = stage.probe.try_next(crate::support::MOMENT).await {
        seen.push(crate::support::key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 300);
}

#[sqlx::test(migrations = false)]
async fn a_relay_starts_before_its_database_and_one_away_does_not_hold_up_another(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let server = std::env::var("DATABASE_URL").unwrap();
    let name = format!("late_{}", uuid::Uuid::new_v4().simple());
    let late_url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let relay = stage.relay().env("APP__DATABASES__LATE__URL", &late_url).start();
    stage.log.raise("a", 1..=1).await;
    assert_eq!(stage.seen(1).await, [("a".to_owned(), 1)], "the other database is served");
    relay.until_ready(false).await;

    let mut administrator = PgConnection::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("create database {name}"));
    sqlx::raw_sql(create).execute(&mut administrator).await.unwrap();
    let late = PgPool::connect(&late_url).await.unwrap();
    let late = crate::support::Log::create(late).await;
    late.raise("b", 1..=1).await;
    assert_eq!(stage.seen(1).await, [("b".to_owned(), 1)]);
    relay.until_ready(true).await;

    drop(relay);
    late.pool.close().await;
    let dropped = eventually("the database is free again", LONG, async || {
        let drop = sqlx::AssertSqlSafe(format!("drop database {name} with (force)"));
        sqlx::raw_sql(drop).execute(&mut administrator).await.ok()
    });
    dropped.await;
}
