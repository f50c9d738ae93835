//! The catalog is killed: the change and its event are both committed, or neither.
#![cfg(feature = "crash-points")]

use std::time::Duration;

use sqlx::PgPool;
use suite_tests::{Buyer, Merchant, Suite};

/// Kills the catalog at a crash point of a price change. `written` says how many rows of products and of the
/// log the open transaction had written by then.
async fn killed_at(point: &str, written: (i64, i64), is_changed: bool) {
    let suite = Suite::set_up().await;
    let (products, log) = written_rows(&suite.catalog.pool).await;
    let mut doomed = suite.start_catalog(&[("CRASH_POINT", point)]);
    let merchant = Merchant::of(&doomed);
    let before = merchant.price_of(7).await;
    assert_eq!(merchant.try_price(7, "77.00").await, None, "no answer from a dead catalog");
    doomed.ended().await;
    let after = written_rows(&suite.catalog.pool).await;
    assert_eq!((after.0 - products, after.1 - log), written, "rows that were written at {point}");

    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;
    let expected = if is_changed { "77.00" } else { before.as_str() };
    assert_eq!(Merchant::of(&catalog).price_of(7).await, expected, "after {point}");
    alice.until_price(expected).await;
    let events: i64 = sqlx::query_scalar(
        "select count(*) from integration_event_log where event_type = 'shop.catalog.product_price_changed.v1'",
    )
    .fetch_one(&suite.catalog.pool)
    .await
    .unwrap();
    assert_eq!(events, i64::from(is_changed), "after {point}");
}

/// Updates of products and inserts into the log so far. PostgreSQL counts what was rolled back too; a session
/// reports its counts before it leaves `pg_stat_activity`.
async fn written_rows(pool: &PgPool) -> (i64, i64) {
    test_kit::eventually("the catalog's sessions have ended", Duration::from_secs(20), async || {
        let sessions = "select count(*) from pg_stat_activity
                         where datname = current_database() and application_name like 'catalog-api%'";
        let open: i64 = sqlx::query_scalar(sessions).fetch_one(pool).await.unwrap();
        (open == 0).then_some(())
    })
    .await;
    let counts = "select (select n_tup_upd from pg_stat_user_tables where relname = 'product'),
                         (select n_tup_ins from pg_stat_user_tables where relname = 'integration_event_log')";
    sqlx::query_as(counts).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn killed_before_the_commit_nothing_is_changed_and_nothing_is_in_the_log() {
    killed_at("catalog.before_transaction", (0, 0), false).await;
    killed_at("catalog.before_log_row", (1, 0), false).await;
    killed_at("catalog.before_commit", (1, 1), false).await;
}

#[tokio::test]
async fn killed_after_the_commit_the_price_is_changed_and_its_event_is_published() {
    killed_at("catalog.after_commit", (1, 1), true).await;
}
