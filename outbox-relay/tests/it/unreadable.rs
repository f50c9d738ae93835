//! Rows that a relay cannot read, and logs that it cannot read at once.

use std::time::{Duration, Instant};

use event_bus::{inbox, outbox};
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
async fn a_time_that_no_calendar_has_stops_no_list_no_replay_and_no_audit(pool: PgPool) {
    let stage = Stage::set(pool).await;
    // As a database may have them that is older than the constraints.
    let rows = "alter table integration_event_log drop constraint integration_event_log_times;
                alter table outbox_scheduled drop constraint outbox_scheduled_created_at;
                insert into integration_event_log (event_type, key, payload, created_at, state, published_at)
                select 'shop.test.odd.v1', time, '{}', time::timestamptz, 'Published', clock_timestamp()
                  from unnest(array['-infinity', 'infinity', '290000-01-01', '2026-11-22', '-infinity']) as time;
                insert into outbox_scheduled (due, event_type, key, payload, created_at)
                select clock_timestamp() + interval '1 h', 'shop.test.odd.v1', 'a', '{}', time::timestamptz
                  from unnest(array['-infinity', 'infinity']) as time;
                insert into outbox_relay (relay_id, name, backend_pid, backend_start, alive_until, started_at)
                values (gen_random_uuid(), 'gone', 1, '2026-11-22', 'infinity', '-infinity')";
    sqlx::raw_sql(rows).execute(&stage.log.pool).await.unwrap();
    sqlx::raw_sql(inbox::SCHEMA).execute(&stage.log.pool).await.unwrap();
    let relay = || stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url);
    let span =
        ["replay", "--from", "2026-11-01T00:00:00Z", "--to", "2026-12-01T00:00:00Z", "--dry-run", "--json"];
    let commands =
        [&["list"][..], &["scheduled", "list"], &["audit", "--from", "2026-11-01T00:00:00Z"], &span];
    for command in commands {
        let (code, out, error) = relay().output(command);
        assert!(code == 0, "{command:?}: {out} {error}");
        assert!(command[0] != "replay" || out.contains("\"events\": 1"), "{out}");
    }
    let (code, _, error) = relay().output(&["status"]);
    assert!(code < 2, "{error}");
    let relay = relay().start();
    let scheduled = relay.get("/api/v1/outbox/scheduled").await;
    assert_eq!(scheduled.status(), 200);
    for from in ["-262143-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "%2B262142-01-01T00:00:00Z"] {
        let refused = relay.get(&format!("/api/v1/outbox/audit?from={from}")).await;
        assert_eq!(refused.status(), 400, "{from}");
    }
    assert_eq!(relay.get("/api/v1/outbox/audit?from=0001-01-01T00:00:00Z").await.status(), 200);
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
    let mut operator = pool.acquire().await.unwrap();
    let timeout = format!("set statement_timeout = {limit}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(timeout)).execute(&mut *operator).await.unwrap();
    let ends = outbox::progress(&mut *operator).await.unwrap();
    assert!(ends.committed >= ends.settled && ends.settled >= 300_000, "{ends:?}");
    assert_eq!(relay.get("/api/v1/outbox/status").await.status(), 200);
    drop(reader);
}

#[sqlx::test(migrations = false)]
async fn what_waits_behind_the_newest_published_event_is_counted_however_long_the_rest_takes(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    // A settled event that takes longer to find than the count may last, as entries of published events make it.
    let slow = "insert into integration_event_log (position, event_type, key, payload, state, published_at)
                overriding system value
                values (1, 'a', 'a', '{}', 'Published', now()), (50000, 'a', 'a', '{}', 'Published', now()),
                       (50001, 'a', 'a', '{}', 'NotPublished', null);
                alter table integration_event_log rename to whole_log;
                create view integration_event_log as
                select * from whole_log where position <> 1 or pg_sleep(0.25) is not null";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let status = outbox::status(&pool).await.unwrap();
    assert_eq!((status.pending, status.is_counted), (1, false), "{status:?}");
    assert!(status.oldest_pending_age_seconds > 0.0, "{status:?}");
}
