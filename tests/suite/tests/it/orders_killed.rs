//! Ordering and the catalog are killed in the middle of an order: it ends right, and everything happens once.

use suite_tests::{Orders, Suite};

use crate::orders::{Shopper, charges, price, stock_at_rest, stock_up};

/// Each event about an order, and how often it is in its log.
async fn events(orders: &Orders, order: &str) -> Vec<(String, i64)> {
    sqlx::query_as(
        "select split_part(event_type, '.', 3), count(*) from integration_event_log where key = $1 group by 1 order by 1",
    )
    .bind(order)
    .fetch_all(&orders.database.pool)
    .await
    .unwrap()
}

async fn is_paid_once(suite: &Suite, orders: &Orders, shopper: &Shopper, order: &str, sold: i64) {
    let end = shopper.until_final(order).await;
    assert_eq!(end["status"], "paid", "{end}");
    assert_eq!(charges(orders, order).await.len(), 1);
    assert_eq!(stock_at_rest(&suite.catalog.pool).await, (20 - i32::try_from(sold).unwrap(), sold));
    let once = [
        "grace_period_ended",
        "order_paid",
        "order_started",
        "payment_requested",
        "stock_requested",
        "stock_sold",
    ];
    let expected: Vec<(String, i64)> = once.iter().map(|&name| (name.to_owned(), 1)).collect();
    assert_eq!(events(orders, order).await, expected);
}

#[tokio::test]
async fn an_order_is_placed_and_paid_once_wherever_ordering_is_killed() {
    let suite = Suite::set_up().await;
    stock_up(&suite.catalog.pool, 20).await;
    let price = price(&suite.catalog.pool).await;
    let catalog = suite.start_catalog(&[]);
    let mut orders = Orders::open(&suite).await;
    catalog.until_ready(true).await;
    let _relay = suite.start_relay(&[]);
    let warm = Shopper::of(&orders.ordering, "alice");
    let first = warm.orders("first", (1, &price), "tok_ok").await;
    assert_eq!(warm.until_final(&first).await["status"], "paid");
    let mut sold = 1;
    // In the request: the client gets no answer, and sends it again.
    for point in ["ordering.after_order_row", "ordering.before_commit", "ordering.after_commit"] {
        orders.ordering = orders.start_ordering(&[("CRASH_POINT", point)]);
        let shopper = Shopper::of(&orders.ordering, "alice");
        assert!(shopper.try_order(point, (1, &price), "tok_ok").await.is_err(), "no answer at {point}");
        orders.ordering.ended().await;
        orders.ordering = orders.start_ordering(&[]);
        let shopper = Shopper::of(&orders.ordering, "alice");
        let order = shopper.orders(point, (1, &price), "tok_ok").await;
        sold += 1;
        is_paid_once(&suite, &orders, &shopper, &order, sold).await;
    }
    // At each of the three events that move it on.
    for point in ["ordering.after_transition:1", "ordering.after_transition:2", "ordering.after_transition:3"]
    {
        orders.ordering = orders.start_ordering(&[("CRASH_POINT", point)]);
        let order = Shopper::of(&orders.ordering, "alice").orders(point, (1, &price), "tok_ok").await;
        orders.ordering.ended().await;
        orders.ordering = orders.start_ordering(&[]);
        sold += 1;
        is_paid_once(&suite, &orders, &Shopper::of(&orders.ordering, "alice"), &order, sold).await;
    }
}

#[tokio::test]
async fn stock_is_reserved_once_when_the_catalog_is_killed_before_the_commit() {
    let suite = Suite::set_up().await;
    stock_up(&suite.catalog.pool, 20).await;
    let price = price(&suite.catalog.pool).await;
    let mut catalog = suite.start_catalog(&[("CRASH_POINT", "catalog.stock_reserved")]);
    let mut orders = Orders::open(&suite).await;
    catalog.until_ready(true).await;
    let _relay = suite.start_relay(&[]);
    orders.ordering = orders.start_ordering(&[]);
    let shopper = Shopper::of(&orders.ordering, "alice");
    let order = shopper.orders("k", (1, &price), "tok_ok").await;
    catalog.ended().await;
    let _catalog = suite.start_catalog(&[]);
    is_paid_once(&suite, &orders, &shopper, &order, 1).await;
}
