//! The catalog is killed: the change and its event are both committed, or neither.
#![cfg(feature = "crash-points")]

use suite_tests::{Buyer, Merchant, Suite};

async fn killed_at(point: &str, is_changed: bool) {
    let suite = Suite::set_up().await;
    let mut doomed = suite.start_catalog(&[("CRASH_POINT", point)]);
    let merchant = Merchant::of(&doomed);
    let before = merchant.price_of(7).await;
    assert_eq!(merchant.try_price(7, "77.00").await, None, "no answer from a dead catalog");
    doomed.ended().await;

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

#[tokio::test]
async fn killed_before_the_commit_nothing_is_changed_and_nothing_announced() {
    for point in ["catalog.before_transaction", "catalog.before_log_row", "catalog.before_commit"] {
        killed_at(point, false).await;
    }
}

#[tokio::test]
async fn killed_after_the_commit_the_price_is_changed_and_announced() {
    killed_at("catalog.after_commit", true).await;
}
