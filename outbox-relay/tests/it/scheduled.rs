//! Scheduled events are announced at their time, once, whatever is killed.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use test_kit::Message;

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
