//! Rows that a relay cannot read, and logs that it cannot read at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{LONG, Stage};

#[sqlx::test(migrations = false)]
async fn a_row_that_cannot_be_read_fails_alone_and_operators_can_skip_it(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let pool = stage.log.pool.clone();
    // As a database may have them that is older than the constraint.
    let times = "alter table integration_event_log drop constraint integration_event_log_times";
    sqlx::raw_sql(times).execute(&pool).await.unwrap();
    let unreadable = ["infinity", "-infinity", "290000-01-01", "4000-01-01 BC"];
    for (key, time) in (0..).zip(unreadable) {
        sqlx::query(
            "insert into integration_event_log (event_type, key, payload, created_at)
             values ('shop.test.odd.v1', $1, '{}', $2::timestamptz)",
        )
        .bind(format!("odd-{key}"))
        .bind(time)
        .execute(&pool)
        .await
        .unwrap();
    }
    let relay = stage.relay().start();
    stage.log.raise("a", 1..=3).await;
    assert_eq!(stage.seen(3).await.len(), 3);
    eventually("they have failed", LONG, async || {
        (stage.log.count("PublishedFailed").await == 4).then_some(())
    })
    .await;
    let listed: Value = relay.get("/api/v1/outbox/events?state=PublishedFailed").await.json().await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    for event in listed.as_array().unwrap() {
        assert!(
            event["lastError"].as_str().unwrap().contains("not a time of the years 1 to 9999"),
            "{event}"
        );
        let id = event["eventId"].as_str().unwrap();
        let (code, _, error) = stage.relay().output(&["show", id]);
        assert_eq!(code, 0, "{error}");
        let skipped =
            relay.post(&format!("/api/v1/outbox/events/{id}/skip"), &json!({"reason": "odd"})).await;
        assert_eq!(skipped.status(), 200);
    }
    let (code, _, error) = stage.relay().output(&["list"]);
    assert_eq!(code, 0, "{error}");
    relay.until_ready(true).await;
}

#[sqlx::test(migrations = false)]
async fn a_new_relay_gets_through_any_number_of_dead_entries_whatever_the_statement_timeout(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let pool = stage.log.pool.clone();
    let mut reader = pool.begin().await.unwrap();
    sqlx::raw_sql("set transaction isolation level repeatable read; select 1")
        .execute(&mut *reader)
        .await
        .unwrap();
    // Every one of them leaves an entry in the index of pending events that nothing removes while the reader is there.
    let fill = "alter table integration_event_log disable trigger all;
                insert into integration_event_log (event_type, key, key_version, partition, payload)
                select 'shop.test.noted.v1', i::text, 1, i % 64, '{}' from generate_series(1, 300000) i;
                update integration_event_log set state = 'Published', published_at = clock_timestamp();
                alter table integration_event_log enable trigger all";
    sqlx::raw_sql(fill).execute(&pool).await.unwrap();
    let started = Instant::now();
    let pending = "select count(*) from integration_event_log where state = 'NotPublished'";
    sqlx::query("set enable_seqscan = off").execute(&mut *reader).await.unwrap();
    sqlx::query(pending).execute(&mut *reader).await.unwrap();
    // A quarter of what a full scan takes on this machine.
    let limit = (started.elapsed() / 4).max(Duration::from_millis(20)).as_millis();
    let database = pool.connect_options().get_database().unwrap().to_owned();
    let timeout = format!("alter database \"{database}\" set statement_timeout = {limit}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(timeout)).execute(&pool).await.unwrap();

    stage.log.raise("a", 1..=1).await;
    let relay = stage.relay().start();
    assert_eq!(stage.seen(1).await, [("a".to_owned(), 1)]);
    stage.log.raise("a", 2..=2).await;
    assert_eq!(stage.seen(1).await, [("a".to_owned(), 2)]);
    assert_eq!(relay.get("/api/v1/outbox/status").await.status(), 200);
    drop(reader);
}
