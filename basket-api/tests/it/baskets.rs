//! What a buyer does with their basket.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{TestApp, add_product, problem, received, remove_product, reprice, subscribed_before};

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_buyer_who_never_came_has_an_empty_basket(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let empty = json!({"buyerId": "alice", "items": [], "total": "0.00", "currency": "EUR", "version": 0});
    assert_eq!(app.see("alice").await, empty);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_product_is_put_in_at_the_catalogs_price(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "12.5").await;
    let answer = app.put("alice", 1, 2).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["etag"], "\"1\"");
    let item = json!({
        "productId": 1, "productName": "Product 1", "unitPrice": "12.50", "oldUnitPrice": null, "quantity": 2,
        "pictureUrl": "/api/v1/catalog/items/1/pic", "available": true,
    });
    let basket =
        json!({"buyerId": "alice", "items": [item], "total": "25.00", "currency": "EUR", "version": 1});
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), basket);
    assert_eq!(app.see("alice").await, basket);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn putting_a_product_again_sets_its_quantity(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    app.fill("alice", 1, 2).await;
    let basket = app.fill("alice", 1, 99).await;
    assert_eq!((&basket["items"][0]["quantity"], &basket["version"]), (&json!(99), &json!(2)));
    assert_eq!(basket["total"], "198.00");
    let again = app.fill("alice", 1, 99).await;
    assert_eq!(again["version"], 2, "what is so already is no change");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn items_stay_in_the_order_in_which_they_were_put_in(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for product in [3, 1, 2] {
        add_product(&pool, product, "1.00").await;
        app.fill("alice", product, 1).await;
    }
    let basket = app.fill("alice", 3, 5).await;
    let order: Vec<_> = basket["items"].as_array().unwrap().iter().map(|item| &item["productId"]).collect();
    assert_eq!(order, [3, 1, 2]);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_deleted_item_is_gone_and_deleting_it_again_is_no_error(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    app.fill("alice", 1, 2).await;
    for _ in 0..2 {
        let answer = app.basket(Method::DELETE, "alice", "/items/1").send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
    let basket = app.see("alice").await;
    assert_eq!((&basket["items"], &basket["version"]), (&json!([]), &json!(2)));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_cleared_basket_is_empty_and_its_version_never_starts_again(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for product in [1, 2] {
        add_product(&pool, product, "2.00").await;
        app.fill("alice", product, 2).await;
    }
    for _ in 0..2 {
        assert_eq!(app.basket(Method::DELETE, "alice", "").send().await.unwrap().status(), 204);
    }
    let basket = app.see("alice").await;
    assert_eq!((&basket["items"], &basket["version"]), (&json!([]), &json!(3)));
    assert_eq!(app.basket(Method::DELETE, "bob", "").send().await.unwrap().status(), 204);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn who_has_the_present_version_is_not_sent_it_again(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    app.fill("alice", 1, 2).await;
    let get = async |tag: &str| {
        app.basket(Method::GET, "alice", "").header("if-none-match", tag).send().await.unwrap()
    };
    let answer = get("\"1\"").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["etag"]), (304, &"\"1\"".parse().unwrap()));
    assert_eq!(answer.text().await.unwrap(), "");
    let answer = get("\"0\"").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (200, &"private, no-cache".parse().unwrap())
    );

    reprice(&pool, 1, "2.00", "3.00", 2).await;
    let answer = get("\"1\"").await;
    assert_eq!(answer.status(), 200, "a new price is a new version");
    assert_eq!(answer.headers()["etag"], "\"2\"");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_change_that_is_meant_for_another_version_is_not_made(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    let put = async |tag: &str, quantity: i64| {
        let request = app.basket(Method::PUT, "alice", "/items/1").header("if-match", tag);
        request.json(&json!({"quantity": quantity})).send().await.unwrap()
    };
    assert_eq!(put("\"7\"", 1).await.status(), 412);
    assert_eq!(put("\"0\"", 1).await.status(), 200, "a basket that was never filled has version 0");
    let stale = put("\"0\"", 2).await;
    assert_eq!(stale.status(), 412);
    assert_eq!(problem(stale).await["type"], "/problems/precondition-failed");
    let refused = problem(put("W/\"1\"", 2).await).await;
    assert_eq!(refused["status"], 412);
    assert!(refused["detail"].as_str().unwrap().contains("weak entity tag"), "{refused}");
    assert_eq!(put("*", 2).await.status(), 200);
    for path in ["", "/items/1"] {
        let request = app.basket(Method::DELETE, "alice", path).header("if-match", "\"1\"");
        assert_eq!(request.send().await.unwrap().status(), 412);
    }
    assert_eq!(app.see("alice").await["items"][0]["quantity"], 2);
    let request = app.basket(Method::DELETE, "alice", "").header("if-match", "\"2\"");
    assert_eq!(request.send().await.unwrap().status(), 204);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_basket_holds_a_hundred_products_and_no_more(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for product in 1..=101 {
        add_product(&pool, product, "1.00").await;
    }
    for product in 1..=100 {
        assert_eq!(app.put("alice", product, 1).await.status(), 200);
    }
    let full = app.put("alice", 101, 1).await;
    assert_eq!(full.status(), 409);
    assert_eq!(problem(full).await["type"], "/problems/basket-full");
    assert_eq!(app.see("alice").await["items"].as_array().unwrap().len(), 100);
    assert_eq!(app.put("alice", 50, 9).await.status(), 200, "what is in there can be changed");
    assert_eq!(app.basket(Method::DELETE, "alice", "/items/1").send().await.unwrap().status(), 204);
    assert_eq!(app.put("alice", 101, 1).await.status(), 200);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_removed_product_stays_visible_does_not_count_and_cannot_be_put_in(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    add_product(&pool, 2, "5.00").await;
    app.fill("alice", 1, 2).await;
    app.fill("alice", 2, 1).await;
    remove_product(&pool, 1, 2).await;

    let basket = app.see("alice").await;
    assert_eq!((&basket["items"][0]["available"], &basket["total"]), (&json!(false), &json!("5.00")));
    assert_eq!(basket["version"], 3);
    for (buyer, quantity) in [("alice", 3), ("bob", 1)] {
        let gone = app.put(buyer, 1, quantity).await;
        assert_eq!(gone.status(), 404);
        assert_eq!(problem(gone).await["type"], "/problems/unknown-product");
    }
    assert_eq!(app.basket(Method::DELETE, "alice", "/items/1").send().await.unwrap().status(), 204);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_new_name_or_picture_is_shown_and_is_a_new_version(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    app.fill("alice", 1, 2).await;
    let data = json!({"productId": 1, "name": "Better mug", "pictureUrl": "/better", "version": 2});
    let event = received(1, 2, data);
    crate::app::handle(&pool, &basket_api::subscriptions::UpdateProduct, &[event]).await;
    let basket = app.see("alice").await;
    let item = &basket["items"][0];
    assert_eq!((&item["productName"], &item["pictureUrl"]), (&json!("Better mug"), &json!("/better")));
    assert_eq!((&item["unitPrice"], &basket["version"]), (&json!("2.00"), &json!(2)));
    assert_eq!(app.alerts("alice").await["count"], 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_service_answers_while_the_broker_and_the_catalog_are_away(pool: PgPool) {
    // The test application's broker and catalog are addresses where nobody listens.
    subscribed_before(&pool).await;
    let app = TestApp::spawn(&pool);
    app.ready().await;
    let health = app.request(Method::GET, "/health/ready").send().await.unwrap();
    let health: serde_json::Value = health.json().await.unwrap();
    let checks = json!({"database": "ok", "subscription": "ok", "consumer": "failing"});
    assert_eq!(health, json!({"status": "ok", "checks": checks}));
    add_product(&pool, 1, "2.00").await;
    app.fill("alice", 1, 2).await;
    app.stop();
}
