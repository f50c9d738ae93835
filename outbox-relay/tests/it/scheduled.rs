//! Scheduled events are announced at their time, once, whatever is killed.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;
use test_kit::{Message, eventually};

use crate::support::{LONG, Log, MOMENT, Stage};

/// Schedules one event for each of these keys, `after` from now on the database's clock.
async fn schedule(log: &Log, keys: std::ops::Range<i32>, after: Duration) {
    sqlx::query(
        "insert into outbox_scheduled (due, event_type, key, payload)
         select clock_timestamp() + make_interval(secs => $3), 'shop.test.reminded.v1', key::text,
                json_build_object('due', clock_timestamp() + make_interval(secs => $3))
           from generate_series($1, $2 - 1) as key",
    )
    .bind(keys.start)
    .bind(keys.end)
    .bind(after.as_secs_f64())
    .execute(&log.pool)
    .await
    .unwrap();
}

/// Fails if the message came before its event was due. Returns the event's id.
fn id_of_timely(message: &Message) -> String {
    let event = message.json();
    let due: DateTime<Utc> = event["data"]["due"].as_str().unwrap().parse().unwrap();
    assert!(Utc::now() >= due, "{event} came too early");
    event["id"].as_str().unwrap().to_owned()
}

#[sqlx::test(migrations = false)]
async fn a_scheduled_event_is_announced_when_it_is_due(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let _relays = (stage.relay().start(), stage.relay().start());
    schedule(&stage.log, 0..20, Duration::from_secs(2)).await;
    schedule(&stage.log, 100..101, Duration::from_hours(1)).await;
    let mut ids = HashSet::new();
    for _ in 0..20 {
        ids.insert(id_of_timely(&stage.probe.next(LONG).await));
    }
    assert_eq!(ids.len(), 20, "each once, with two relays");
    assert!(stage.probe.try_next(MOMENT).await.is_none(), "what is due later waits");
    let left: i64 =
        sqlx::query_scalar("select count(*) from outbox_scheduled").fetch_one(&stage.log.pool).await.unwrap();
    assert_eq!(left, 1);
}

#[sqlx::test(migrations = false)]
async fn of_very_many_due_events_the_first_are_announced_before_the_last_are_moved(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    schedule(&stage.log, 0..30_000, Duration::ZERO).await;
    let _relay = stage.relay().start();
    id_of_timely(&stage.probe.next(LONG).await);
    let left: i64 =
        sqlx::query_scalar("select count(*) from outbox_scheduled").fetch_one(&stage.log.pool).await.unwrap();
    assert!(left > 0, "other events waited until all were moved");
}

#[sqlx::test(migrations = false)]
async fn moving_what_is_due_reads_nothing_that_is_due_later(pool: PgPool) {
    let stage = Stage::set(pool).await;
    schedule(&stage.log, 0..5_000, Duration::from_hours(1)).await;
    schedule(&stage.log, 5_000..5_003, Duration::ZERO).await;
    let mut db = stage.log.pool.acquire().await.unwrap();
    let mut read = async || -> i64 {
        sqlx::raw_sql("select pg_stat_force_next_flush()").execute(&mut *db).await.unwrap();
        let read = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables
                     where relname = 'outbox_scheduled'";
        sqlx::query_scalar(read).fetch_one(&mut *db).await.unwrap()
    };
    let before = read().await;
    let mut other = stage.log.pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "set enable_seqscan = off; select outbox_release_due(100); select pg_stat_force_next_flush()",
    )
    .execute(&mut *other)
    .await
    .unwrap();
    eventually("it is counted", LONG, async || (read().await > before).then_some(())).await;
    let rows = read().await - before;
    assert!(rows < 100, "{rows} rows were read");
}

#[sqlx::test(migrations = false)]
async fn a_scheduled_event_that_the_log_has_or_refuses_holds_up_no_other(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let pool = stage.log.pool.clone();
    let known = stage.log.raise("a", 1..=1).await[0];
    let relay = stage.relay().start();
    stage.probe.next(LONG).await;
    let again = "insert into outbox_scheduled (scheduled_id, due, event_type, key, payload)
                 values ($1, clock_timestamp() - interval '1 h', 'shop.test.reminded.v1', 'a', '{}')";
    sqlx::query(again).bind(known).execute(&pool).await.unwrap();
    schedule(&stage.log, 0..1, Duration::ZERO).await;
    id_of_timely(&stage.probe.next(LONG).await);
    let left = async || -> i64 {
        let count = sqlx::query_scalar("select count(*) from outbox_scheduled");
        count.fetch_one(&pool).await.unwrap()
    };
    assert_eq!(left().await, 0, "what the log has already leaves the schedule");

    // The log refuses what the schedule took.
    let refuse = "alter table integration_event_log add constraint no_odd check (event_type <> 'odd')";
    sqlx::raw_sql(refuse).execute(&pool).await.unwrap();
    let odd = "insert into outbox_scheduled (due, event_type, key, payload)
               values (clock_timestamp() - interval '1 h', 'odd', 'odd', '{}')";
    sqlx::raw_sql(odd).execute(&pool).await.unwrap();
    let problem = async || {
        let status: Value = relay.get("/api/v1/outbox/status").await.json().await.unwrap();
        status[0]["relay"]["scheduleProblem"].as_str().map(str::to_owned)
    };
    let said = eventually("the status says why", LONG, async || problem().await).await;
    assert!(said.contains("no_odd"), "{said}");
    stage.log.raise("a", 2..=20).await;
    assert_eq!(stage.seen(19).await.len(), 19);
    relay.until_ready(true).await;
    sqlx::raw_sql("delete from outbox_scheduled").execute(&pool).await.unwrap();
    eventually("the status is clean", LONG, async || problem().await.is_none().then_some(())).await;
}

#[sqlx::test(migrations = false)]
async fn overdue_scheduled_events_are_a_problem_on_the_status(pool: PgPool) {
    let stage = Stage::set(pool).await;
    schedule(&stage.log, 0..3, Duration::from_mins(1)).await;
    assert_eq!(stage.relay().output(&["status"]).0, 0, "what is due later is none");
    let due = "update outbox_scheduled set due = clock_timestamp() - interval '1 h'";
    sqlx::raw_sql(due).execute(&stage.log.pool).await.unwrap();
    let (code, text, _) = stage.relay().output(&["status"]);
    assert!(code == 1 && text.contains("3 scheduled events are overdue"), "{code} {text}");
}

#[cfg(feature = "crash-points")]
async fn survives(pool: PgPool, point: &str) {
    let mut stage = Stage::set(pool).await;
    let mut relay = stage.relay().env("CRASH_POINT", point).start();
    schedule(&stage.log, 0..30, Duration::from_millis(500)).await;
    let status = relay.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "killed at {point}");
    let _next = stage.relay().start();
    let mut ids = HashSet::new();
    while ids.len() < 30 {
        ids.insert(id_of_timely(&stage.probe.next(LONG).await));
    }
    let logged: i64 = sqlx::query_scalar("select count(*) from integration_event_log")
        .fetch_one(&stage.log.pool)
        .await
        .unwrap();
    assert_eq!(logged, 30, "each is in the log once");
}

#[cfg(feature = "crash-points")]
#[sqlx::test(migrations = false)]
async fn killed_before_it_moves_due_events_loses_none(pool: PgPool) {
    survives(pool, "relay.before_move_due").await;
}

#[cfg(feature = "crash-points")]
#[sqlx::test(migrations = false)]
async fn killed_after_it_moved_due_events_announces_each_once(pool: PgPool) {
    survives(pool, "relay.after_move_due").await;
}
