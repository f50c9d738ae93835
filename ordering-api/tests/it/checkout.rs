//! Placing orders.

use event_bus::BatchHandler;
use futures_util::future::join_all;
use ordering_api::subscriptions::{RepriceProduct, UpdateProduct};
use serde_json::json;
use sqlx::PgPool;

use crate::app::{TestApp, checkout, order_id, problem, received};

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_checkout_makes_an_order_with_its_event_and_its_timer(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let answer = app.check_out("alice", "k1", &checkout(&[(1, 2), (2, 3)], "27.50")).await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let id = order_id(answer).await;
    assert_eq!(location, format!("/api/v1/orders/{id}"));

    let order = app.see("alice", id).await;
    assert_eq!(
        (&order["status"], &order["total"], &order["currency"], &order["buyerId"], &order["reason"]),
        (&json!("submitted"), &json!("27.50"), &json!("EUR"), &json!("alice"), &json!(null))
    );
    assert_eq!(
        order["items"][1],
        json!({"productId": 2, "productName": "Product 2", "unitPrice": "2.50", "quantity": 3,
               "pictureUrl": "/api/v1/catalog/items/2/pic"})
    );
    assert_eq!(order["history"][0]["status"], "submitted");
    assert_eq!(app.announced(id).await, ["order_started"]);
    let started: String = sqlx::query_scalar("select event_id::text from integration_event_log")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(order["history"][0]["eventId"], json!(started));
    let scheduled = app.scheduled(id).await;
    assert_eq!(scheduled.len(), 1);
    assert_eq!(scheduled[0].0, "grace_period_ended");
    assert!((4.5..=5.5).contains(&scheduled[0].1), "{scheduled:?}");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_grace_period_of_no_length_ends_at_once(pool: PgPool) {
    let app = TestApp::spawn_with(&pool, &[("APP__ORDERS__GRACE_PERIOD_S", "0")]).await;
    let id = app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
    assert_eq!(app.announced(id).await, ["order_started", "grace_period_ended"]);
    assert!(app.scheduled(id).await.is_empty());
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_checkout_sent_twice_with_one_key_is_one_order(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 1)], "10.00");
    let answers = join_all((0..10).map(|_| app.check_out("alice", "k1", &body))).await;
    let mut ids = Vec::new();
    for answer in answers {
        assert_eq!(answer.status(), 202);
        ids.push(order_id(answer).await);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.orders().await, 1);
    assert_eq!(app.announced(ids[0]).await, ["order_started"]);

    // The price has changed since, and the order has moved on: it is the same order all the same.
    app.reprice(1, "11.00", 2).await;
    app.cancel("alice", ids[0]).await;
    let again = app.check_out("alice", "\"k1\"", &body).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(order_id(again).await, ids[0]);

    // Another buyer has keys of their own.
    app.reprice(1, "10.00", 3).await;
    assert_ne!(order_id(app.check_out("bob", "k1", &body).await).await, ids[0]);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_key_that_was_used_for_another_checkout_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    assert_eq!(app.check_out("alice", "k1", &checkout(&[(1, 1)], "10.00")).await.status(), 202);
    problem(app.check_out("alice", "k1", &checkout(&[(1, 2)], "20.00")).await, 422).await;
    assert_eq!(app.orders().await, 1);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_checkout_that_was_refused_is_not_answered_as_placed_when_it_is_sent_again(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 1)], "11.00");
    for _ in 0..2 {
        problem(app.check_out("alice", "k1", &body).await, 409).await;
    }
    assert_eq!(app.orders().await, 0);
    app.reprice(1, "11.00", 2).await;
    assert_eq!(app.check_out("alice", "k1", &body).await.status(), 202);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_total_that_differs_is_answered_with_both_totals(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = problem(app.check_out("alice", "k1", &checkout(&[(1, 2)], "19.99")).await, 409).await;
    assert_eq!((&body["expectedTotal"], &body["total"]), (&json!("19.99"), &json!("20.00")));
    assert_eq!(body["type"], "/problems/total-changed");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("19.99") && detail.contains("20.00"), "{detail}");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn the_prices_are_the_catalogs_newest(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    app.reprice(1, "12.00", 3).await;
    app.reprice(1, "11.00", 2).await;
    let id = app.order("alice", &checkout(&[(1, 1)], "12.00")).await;
    app.reprice(1, "15.00", 4).await;
    assert_eq!(app.see("alice", id).await["total"], "12.00", "an order keeps its prices");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn every_price_that_can_be_read_can_be_stored(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    app.reprice(1, "9999999999.99", 2).await;
    app.order("alice", &checkout(&[(1, 1)], "9999999999.99")).await;
    let higher = json!({"productId": 1, "newPrice": "10000000000.00"});
    let read = serde_json::from_value::<<RepriceProduct as BatchHandler>::Payload>(higher);
    assert!(read.is_err(), "an event that is wrong for ever is dead-lettered at once");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_change_that_another_source_tells_counts_whatever_its_version(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    app.reprice(1, "12.00", 1000).await;
    let price =
        |version, price: &str| received("/rebuilt", "1", version, json!({"productId": 1, "newPrice": price}));
    app.handle(&RepriceProduct, price(3, "13.00")).await.unwrap();
    app.handle(&RepriceProduct, price(2, "14.00")).await.unwrap();
    let name = json!({"productId": 1, "name": "Rebuilt", "pictureUrl": "/pic"});
    app.handle(&UpdateProduct, received("/rebuilt", "1", 1, name)).await.unwrap();
    let id = app.order("alice", &checkout(&[(1, 1)], "13.00")).await;
    assert_eq!(app.see("alice", id).await["items"][0]["productName"], "Rebuilt");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn what_the_catalog_does_not_sell_cannot_be_ordered(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    app.remove_product(2).await;
    app.add_product(2, "2.50").await;
    for product in [2, 3] {
        let body = checkout(&[(1, 1), (product, 1)], "12.50");
        let body = problem(app.check_out("alice", "k1", &body).await, 422).await;
        assert_eq!(body["errors"][0]["pointer"], "#/items/1/productId");
    }
    assert_eq!(app.orders().await, 0);
}
