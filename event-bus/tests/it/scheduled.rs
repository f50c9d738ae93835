//! Events that are announced later.

use chrono::{TimeDelta, Utc};
use event_bus::{
    Event,
    outbox::{self, ScheduledId},
};
use sqlx::{PgConnection, PgPool};

#[derive(serde::Serialize)]
struct Reminded {
    order: u32,
    version: i64,
}

impl Event for Reminded {
    const TYPE: &'static str = "shop.test.reminded.v1";

    fn key(&self) -> String {
        self.order.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }
}

/// Schedules a reminder so many seconds from now.
async fn schedule(pool: &PgPool, order: u32, seconds: i64) -> ScheduledId {
    let mut tx = pool.begin().await.unwrap();
    let due = Utc::now() + TimeDelta::seconds(seconds);
    let id = outbox::schedule(&mut tx, &Reminded { order, version: 1 }, due).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// Releases what is due: how many, and the seconds until the next.
async fn release(db: &mut PgConnection) -> (i64, Option<f64>) {
    sqlx::query_as("select released, next_due_in from outbox_release_due(100)").fetch_one(db).await.unwrap()
}

async fn keys(pool: &PgPool) -> Vec<String> {
    let keys = sqlx::query_scalar("select key from integration_event_log order by position");
    keys.fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_scheduled_event_enters_the_log_once_when_it_is_due_and_never_before(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let mut db = pool.acquire().await.unwrap();
    assert_eq!(release(&mut db).await, (0, None));
    schedule(&pool, 3, 3_600).await;
    let past = schedule(&pool, 2, -1).await;
    schedule(&pool, 1, -2).await;

    let (released, next) = release(&mut db).await;
    assert_eq!(released, 2);
    assert!((3_500.0..=3_600.0).contains(&next.unwrap()), "{next:?}");
    assert_eq!(keys(&pool).await, ["1", "2"], "in the order of their times");
    assert_eq!(release(&mut db).await.0, 0);
    assert_eq!(keys(&pool).await.len(), 2);
    let id: uuid::Uuid = sqlx::query_scalar("select event_id from integration_event_log where key = '2'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(id, past.0, "the event has the id of its schedule");
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_event_is_never_announced_and_a_released_one_cannot_be_cancelled(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let (cancelled, kept) = (schedule(&pool, 1, -1).await, schedule(&pool, 2, -1).await);
    let mut db = pool.acquire().await.unwrap();

    // A cancellation that is not committed yet holds nothing up but its own event.
    let mut tx = pool.begin().await.unwrap();
    assert!(outbox::cancel(&mut tx, cancelled).await.unwrap());
    assert_eq!(release(&mut db).await.0, 1);
    tx.commit().await.unwrap();
    assert_eq!(release(&mut db).await, (0, None));
    assert_eq!(keys(&pool).await, ["2"]);

    let mut tx = pool.begin().await.unwrap();
    assert!(!outbox::cancel(&mut tx, kept).await.unwrap(), "it was released");
    assert!(!outbox::cancel(&mut tx, cancelled).await.unwrap(), "it was cancelled");
}

#[sqlx::test(migrations = false)]
async fn an_event_whose_cancellation_or_scheduling_is_rolled_back_counts_as_before(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let id = schedule(&pool, 1, -1).await;
    let mut tx = pool.begin().await.unwrap();
    assert!(outbox::cancel(&mut tx, id).await.unwrap());
    outbox::schedule(&mut tx, &Reminded { order: 2, version: 1 }, Utc::now()).await.unwrap();
    tx.rollback().await.unwrap();
    let mut db = pool.acquire().await.unwrap();
    assert_eq!(release(&mut db).await.0, 1);
    assert_eq!(keys(&pool).await, ["1"]);
}

#[sqlx::test(migrations = false)]
async fn a_scheduled_event_keeps_its_version_so_that_later_events_of_its_key_are_newer(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let version = async |version: i64, is_scheduled: bool| {
        let mut tx = pool.begin().await.unwrap();
        let event = Reminded { order: 7, version };
        if is_scheduled {
            outbox::schedule(&mut tx, &event, Utc::now()).await.unwrap();
        } else {
            outbox::append(&mut tx, &event).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    // Positions rise faster than the versions of one key.
    schedule(&pool, 1, -3).await;
    schedule(&pool, 2, -2).await;
    let mut db = pool.acquire().await.unwrap();
    assert_eq!(release(&mut db).await.0, 2);
    version(1, false).await;
    version(2, true).await;
    assert_eq!(release(&mut db).await.0, 1);
    version(3, false).await;
    let versions = "select key_version from integration_event_log where key = '7' order by position";
    let versions: Vec<i64> = sqlx::query_scalar(versions).fetch_all(&pool).await.unwrap();
    assert_eq!(versions, [1, 2, 3]);
}

#[sqlx::test(migrations = false)]
async fn of_relays_that_release_at_once_one_does_it(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    schedule(&pool, 1, -1).await;
    let mut first = pool.begin().await.unwrap();
    assert_eq!(release(&mut first).await.0, 1);
    let mut second = pool.acquire().await.unwrap();
    let (released, next) = release(&mut second).await;
    assert_eq!(released, 0, "the first has not committed yet");
    assert!(next.unwrap() <= 0.0, "so it is still due");
    first.commit().await.unwrap();
    assert_eq!(release(&mut second).await, (0, None));
    assert_eq!(keys(&pool).await.len(), 1);
}
