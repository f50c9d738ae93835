//! Something stands in the way of single events: a lock, a handler that does not end or makes a mistake, a connection that has
//! gone stale.

use event_bus::{DatabaseErrorKind, Subscriber, consumer::SubscriberConfig};
use sqlx::{PgPool, postgres::PgPoolOptions};
use test_kit::eventually;

use crate::support::{LONG, Stage, limited, raised};

#[sqlx::test(migrations = false)]
async fn a_row_that_somebody_locks_for_long_holds_up_its_key_alone_and_makes_no_message_guilty(pool: PgPool) {
    let stage = Stage::set(limited(&pool, "lock_timeout = '100ms'").await).await;
    stage.hold("a").await;
    let mut somebody = stage.pool.begin().await.unwrap();
    sqlx::raw_sql("select from held for update").execute(&mut *somebody).await.unwrap();
    for version in 1..=3 {
        stage.send(&raised("a", version, "lock")).await;
        stage.send(&raised("b", version, "")).await;
    }
    let of = |key: &str| (1..=3).map(|version| (key.to_owned(), version)).collect::<Vec<_>>();
    assert_eq!(stage.until_applied(3).await, of("b"), "other keys flow");
    assert_eq!(stage.until_waiting(3).await, of("a"));
    let failures: Vec<i32> =
        sqlx::query_scalar("select failures from inbox_waiting").fetch_all(&stage.pool).await.unwrap();
    assert_eq!(failures, [0, 0, 0]);
    somebody.commit().await.unwrap();
    assert_eq!(stage.until_applied(6).await, [of("b"), of("a")].concat());
    assert!(stage.vhost.take(&stage.dead()).await.is_none());
    stage.stop.cancel();
    stage.running.await.unwrap();
    stage.pool.close().await;
}

#[sqlx::test(migrations = false)]
async fn an_event_that_is_never_handled_in_time_holds_up_no_other_key(pool: PgPool) {
    let mut limits = SubscriberConfig::default();
    (limits.batch_timeout_s, limits.message_timeout_s) = (1, 1);
    let stage = Stage::set_to(pool, limits, |_, _| {}).await;
    stage.hold("b").await;
    stage.send(&raised("a", 1, "hang")).await;
    stage.send(&raised("b", 1, "wait")).await;
    stage.send(&raised("c", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, [("c".to_owned(), 1)]);
    stage.until_waiting(2).await;
    stage.release("b").await;
    // Whatever has hung once more is due before the other.
    stage.try_first("a").await;
    assert_eq!(stage.until_applied(2).await, [("c".to_owned(), 1), ("b".to_owned(), 1)]);
    let failures: i32 =
        sqlx::query_scalar("select failures from inbox_waiting").fetch_one(&stage.pool).await.unwrap();
    assert_eq!(failures, 0);
}

/// The failures of the events that wait, in the order of their arrival.
async fn failures(stage: &Stage) -> Vec<i32> {
    let failures = "select failures from inbox_waiting order by position";
    sqlx::query_scalar(failures).fetch_all(&stage.pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_handler_that_swallows_an_error_of_the_database_loses_no_event(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for version in 1..=3 {
        stage.send(&raised("b", version, "")).await;
    }
    stage.send(&raised("a", 1, "swallow an error")).await;
    stage.until_waiting(1).await;
    stage.until_applied(3).await;
    let reason: String =
        sqlx::query_scalar("select reason from inbox_waiting").fetch_one(&stage.pool).await.unwrap();
    assert_eq!(reason, "a statement of the handler failed, and it did not return that error");
    eventually("it fails where it is tried again, too", LONG, async || {
        (failures(&stage).await[0] >= 2).then_some(())
    })
    .await;
}

#[sqlx::test(migrations = false)]
async fn an_event_that_fails_at_the_commit_blocks_its_key_and_holds_up_no_other_that_waits(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 2).await;
    stage.hold("b").await;
    stage.send(&raised("a", 1, "break a deferred constraint")).await;
    stage.send(&raised("b", 1, "wait, then reject")).await;
    stage.until_waiting(2).await;
    stage.release("b").await;
    // What fails at the commit is due before the other, whenever it was tried last.
    stage.try_first("a").await;
    assert_eq!(stage.dead_letter().await.1.json()["subject"], "b");
    assert_eq!(stage.until_blocked(1).await[0].key, "a");
}

#[sqlx::test(migrations = false)]
async fn a_handler_that_the_server_ends_the_connection_for_fails_its_own_event(pool: PgPool) {
    let stage = Stage::set(limited(&pool, "idle_in_transaction_session_timeout = '200ms'").await).await;
    stage.send(&raised("a", 1, "pause")).await;
    stage.send(&raised("b", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, [("b".to_owned(), 1)]);
    stage.until_waiting(1).await;
    eventually("it fails where it is tried again, too", LONG, async || {
        (failures(&stage).await[0] >= 2).then_some(())
    })
    .await;
    stage.stop.cancel();
    stage.running.await.unwrap();
    stage.pool.close().await;
}

#[sqlx::test(migrations = false)]
async fn what_one_handler_cannot_do_holds_up_its_key_alone(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.send(&raised("a", 1, "read a column that is missing")).await;
    stage.send(&raised("b", 1, "bind too much")).await;
    stage.until_waiting(2).await;
    stage.send(&raised("c", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, [("c".to_owned(), 1)]);
    let failures = failures(&stage).await;
    assert!(failures[0] == 0 && failures[1] >= 1, "a missing column is no failure: {failures:?}");

    sqlx::raw_sql("alter table held add column missing text").execute(&stage.pool).await.unwrap();
    assert_eq!(stage.until_applied(2).await[1], ("a".to_owned(), 1));
}

#[sqlx::test(migrations = false)]
async fn a_connection_whose_prepared_statements_are_gone_is_not_used_again(pool: PgPool) {
    let options = (*pool.connect_options()).clone();
    let single = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let mut stage = Stage::set(single.clone()).await;
    stage.pool = pool;
    let forget = async || sqlx::raw_sql("deallocate all").execute(&single).await.unwrap();
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.until_waiting(1).await;
    forget().await;
    stage.release("a").await;
    assert_eq!(stage.until_applied(1).await, [("a".to_owned(), 1)], "where events are tried again");
    forget().await;
    stage.send(&raised("b", 1, "")).await;
    stage.until_applied(2).await;
    stage.until_received("first", 1).await;
    assert_eq!(stage.receipts("waiting"), 1, "where they are received");
    stage.stop.cancel();
    stage.running.await.unwrap();
    single.close().await;
}

#[sqlx::test(migrations = false)]
async fn what_the_database_does_not_support_is_no_matter_of_old_prepared_statements(pool: PgPool) {
    let refuse = "do $$ begin raise exception 'not here' using errcode = '0A000'; end $$";
    let error = sqlx::raw_sql(refuse).execute(&pool).await.unwrap_err();
    assert_eq!(DatabaseErrorKind::of(&error), DatabaseErrorKind::Statement);

    sqlx::raw_sql("create table thing (size int)").execute(&pool).await.unwrap();
    let mut one = pool.acquire().await.unwrap();
    let all = async |db: &mut sqlx::PgConnection| sqlx::query("select * from thing").fetch_all(db).await;
    all(&mut one).await.unwrap();
    sqlx::raw_sql("alter table thing alter column size type bigint").execute(&pool).await.unwrap();
    let error = all(&mut one).await.unwrap_err();
    assert_eq!(DatabaseErrorKind::of(&error), DatabaseErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn limits_with_which_nothing_is_handled_or_memory_has_no_bound_are_refused() {
    let refused = |change: fn(&mut SubscriberConfig)| {
        let pool = PgPool::connect_lazy("postgres://localhost/none").unwrap();
        let broker = event_bus::BrokerConfig::new("amqp://localhost", "shop.events");
        let mut limits = SubscriberConfig::default();
        change(&mut limits);
        Subscriber::new("odd", pool, broker).config(limits).err().map(|error| error.to_string())
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(
        refused(|limits| limits.prefetch = 0).as_deref(),
        Some("consumer.prefetch is 0: set it to 1 to 65535")
    );
    let wrong: [fn(&mut SubscriberConfig); 9] = [
        |limits| limits.batch_size = 0,
        |limits| limits.batch_bytes = 0,
        |limits| limits.linger_ms = u64::MAX,
        |limits| limits.batch_timeout_s = 0,
        |limits| limits.message_timeout_s = 0,
        |limits| limits.connect_timeout_s = 0,
        |limits| limits.max_attempts = 0,
        |limits| limits.hold_s = 0,
        |limits| limits.retention_days = 0,
    ];
    assert!(wrong.into_iter().all(|change| refused(change).is_some()));
}
