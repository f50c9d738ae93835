//! What is published and old leaves; nothing else does.

use sqlx::{Executor, PgPool};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{LONG, Log, Stage};

/// Makes events so many days old; published then where they are published.
async fn age(log: &Log, ids: &[Uuid], days: i32, state: &str) {
    sqlx::query(
        "update integration_event_log
            set created_at = now() - make_interval(days => $2), state = $3,
                published_at = case when $3 = 'Published' then now() - make_interval(days => $2) end
          where event_id = any($1)",
    )
    .bind(ids)
    .bind(days)
    .bind(state)
    .execute(&log.pool)
    .await
    .unwrap();
}

async fn left(log: &Log) -> Vec<Uuid> {
    sqlx::query_scalar("select event_id from integration_event_log order by position")
        .fetch_all(&log.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn old_published_and_skipped_events_leave_and_nothing_else_does(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let log = &stage.log;
    let old = log.raise("old", 1..=3).await;
    let stuck = log.raise("stuck", 1..=2).await;
    let skipped = log.raise("skipped", 1..=1).await;
    let young = log.raise("young", 1..=3).await;
    age(log, &old, 8, "Published").await;
    age(log, &stuck[..1], 90, "PublishedFailed").await;
    age(log, &stuck[1..], 90, "NotPublished").await;
    age(log, &skipped, 90, "PublishedFailed").await;
    age(log, &young, 6, "Published").await;
    sqlx::query(
        "update integration_event_log set skipped_at = now() - interval '8 days', skipped_by = 'olga',
                skip_reason = 'test' where event_id = any($1)",
    )
    .bind(&skipped)
    .execute(&log.pool)
    .await
    .unwrap();

    let _relay = stage.relay().env("APP__RELAY__RETENTION_DAYS", "7").start();
    let rest: Vec<Uuid> = [stuck, young].concat();
    eventually("what is old leaves", LONG, async || (left(log).await == rest).then_some(())).await;
}

#[sqlx::test(migrations = false)]
async fn a_pass_goes_batch_by_batch_past_late_publications_and_stops_at_the_first_young_event(pool: PgPool) {
    let log = Log::create(pool).await;
    let ids = log.raise("a", 1..=12).await;
    age(&log, &ids[..8], 20, "Published").await;
    age(&log, &ids[8..], 1, "Published").await;
    // Created long ago, published late: they stay, and what is behind them goes all the same.
    sqlx::query("update integration_event_log set published_at = now() where event_id = any($1)")
        .bind(&ids[..3])
        .execute(&log.pool)
        .await
        .unwrap();
    let (mut after, mut calls, mut deleted) = (Some(0), 0, 0);
    while let Some(position) = after {
        let purge = "select deleted, last_position from integration_event_log_purge('14 days', $1, 3)";
        let (count, last_position): (i64, Option<i64>) =
            sqlx::query_as(purge).bind(position).fetch_one(&log.pool).await.unwrap();
        after = last_position;
        deleted += count;
        calls += 1;
    }
    assert_eq!((deleted, calls), (5, 4));
    assert_eq!(left(&log).await, [&ids[..3], &ids[8..]].concat());
}

#[sqlx::test(migrations = false)]
async fn with_a_retention_of_zero_days_everything_stays(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let ids = stage.log.raise("a", 1..=3).await;
    age(&stage.log, &ids, 9_000, "Published").await;
    let relay = stage.relay().env("APP__RELAY__RETENTION_DAYS", "0").start();
    relay.until_ready(true).await;
    stage.log.raise("b", 1..=1).await;
    stage.seen(1).await;
    assert_eq!(left(&stage.log).await.len(), 4);
}

#[sqlx::test(migrations = false)]
async fn a_relays_role_can_have_old_events_deleted_but_delete_none_itself(pool: PgPool) {
    let log = Log::create(pool).await;
    let old = log.raise("old", 1..=2).await;
    let fresh = log.raise("fresh", 1..=2).await;
    age(&log, &old, 30, "Published").await;
    age(&log, &fresh, 0, "Published").await;
    let mut session = log.pool.acquire().await.unwrap();
    session.execute("set role catalog_relay").await.unwrap();
    let purge = "select integration_event_log_purge('0', 0, 1000)";
    assert!(session.execute(purge).await.is_err(), "not without the grant");
    session
        .execute("reset role; grant execute on function integration_event_log_purge to catalog_relay")
        .await
        .unwrap();
    // Not even a table of the caller's own under the log's name gets the function's rights.
    session
        .execute("set role catalog_relay; create temporary table integration_event_log (event_id uuid)")
        .await
        .unwrap();
    assert!(session.execute("delete from public.integration_event_log").await.is_err());
    session.execute(purge).await.unwrap();
    assert_eq!(left(&log).await, fresh, "whatever age it asks for, a day is kept");
}
