//! What an order takes out of the cart.

use basket_api::subscriptions::TakeOutOrdered;
use chrono::Utc;
use event_bus::{BatchHandler, HandleError, Received, TraceContext};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, add_product, handle};

fn started(buyer: &str, items: &[(i64, i64)]) -> Received<<TakeOutOrdered as BatchHandler>::Payload> {
    let order = Uuid::new_v4();
    let items: Vec<Value> =
        items.iter().map(|(product, quantity)| json!({"productId": product, "quantity": quantity})).collect();
    Received {
        id: Uuid::now_v7(),
        source: "/ordering".to_owned(),
        key: order.to_string(),
        generation: 1,
        version: 1,
        is_newest: true,
        occurred_at: Utc::now(),
        redelivered: false,
        trace: TraceContext::default(),
        data: serde_json::from_value(json!({"orderId": order, "buyerId": buyer, "items": items})).unwrap(),
    }
}

/// The products in the cart, and how many of each.
async fn lines(app: &TestApp, buyer: &str) -> Vec<(i64, i64)> {
    let basket = app.see(buyer).await;
    let line = |item: &Value| (item["productId"].as_i64().unwrap(), item["quantity"].as_i64().unwrap());
    basket["items"].as_array().unwrap().iter().map(line).collect()
}

async fn with_products(pool: &PgPool) -> TestApp {
    let app = TestApp::spawn(pool);
    for product in 1..=3 {
        add_product(pool, product, "10.00").await;
    }
    app
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_was_ordered_leaves_the_cart_and_the_rest_stays(pool: PgPool) {
    let app = with_products(&pool).await;
    app.fill("alice", 1, 2).await;
    app.fill("alice", 2, 3).await;
    app.fill("alice", 3, 1).await;
    app.fill("bob", 1, 2).await;
    let version = app.see("alice").await["version"].as_i64().unwrap();
    handle(&pool, &TakeOutOrdered, &[started("alice", &[(1, 2), (2, 1)])]).await;
    assert_eq!(lines(&app, "alice").await, [(2, 2), (3, 1)]);
    assert_eq!(app.see("alice").await["version"], version + 1);
    assert_eq!(lines(&app, "bob").await, [(1, 2)]);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_was_put_in_after_the_order_stays(pool: PgPool) {
    let app = with_products(&pool).await;
    app.fill("alice", 1, 2).await;
    app.fill("alice", 2, 1).await;
    let order = started("alice", &[(1, 2), (2, 1)]);
    // The buyer goes on before the event arrives: one more of the first, and the second is taken out and put in again.
    app.fill("alice", 1, 3).await;
    app.basket(reqwest::Method::DELETE, "alice", "/items/2").send().await.unwrap();
    app.fill("alice", 2, 1).await;
    app.fill("alice", 3, 1).await;
    handle(&pool, &TakeOutOrdered, &[order]).await;
    assert_eq!(lines(&app, "alice").await, [(1, 1), (2, 1), (3, 1)]);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_order_takes_out_at_most_what_is_there(pool: PgPool) {
    let app = with_products(&pool).await;
    app.fill("alice", 1, 1).await;
    handle(
        &pool,
        &TakeOutOrdered,
        &[started("alice", &[(1, 5), (2, 1), (99, 1)]), started("carol", &[(1, 1)])],
    )
    .await;
    assert!(lines(&app, "alice").await.is_empty());
    let version = app.see("alice").await["version"].clone();
    handle(&pool, &TakeOutOrdered, &[started("alice", &[(1, 1)])]).await;
    assert_eq!(app.see("alice").await["version"], version, "nothing has changed");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_order_of_somebody_who_can_be_no_buyer_is_rejected(pool: PgPool) {
    let mut tx = pool.begin().await.unwrap();
    let outcome = TakeOutOrdered.handle_batch(&mut tx, &[started("not a buyer", &[(1, 1)])]).await;
    assert!(matches!(outcome, Err(HandleError::Reject(_))), "{outcome:?}");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn orderings_golden_event_is_understood(pool: PgPool) {
    let app = with_products(&pool).await;
    app.fill("alice", 1, 5).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/shop.ordering.order_started.v1.json");
    let mut payload: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    payload["addedLater"] = json!([1]);
    let mut event = started("alice", &[]);
    event.data = serde_json::from_value(payload).unwrap();
    handle(&pool, &TakeOutOrdered, &[event]).await;
    assert_eq!(lines(&app, "alice").await, [(1, 3)]);
}
