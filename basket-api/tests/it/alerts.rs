//! The list of a buyer's alerts.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, add_product, remove_product, reprice};

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_alert_tells_which_product_changed_how_and_when(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    let event = reprice(&pool, 1, "10.00", "12.50", 2).await;
    let alerts = app.alerts("alice").await;
    assert_eq!(alerts["count"], 1);
    let mut alert = alerts["data"][0].clone();
    assert!(alert["id"].take().as_i64().unwrap() > 0);
    let created: chrono::DateTime<chrono::Utc> = serde_json::from_value(alert["createdAt"].take()).unwrap();
    assert!((chrono::Utc::now() - created).num_seconds() < 60);
    assert_eq!(
        alert,
        json!({
            "id": null, "eventId": event, "kind": "price_changed", "productId": 1, "productName": "Product 1",
            "oldPrice": "10.00", "newPrice": "12.50", "createdAt": null, "acknowledgedAt": null,
        })
    );
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_removed_product_raises_an_alert_without_a_new_price(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    let event = remove_product(&pool, 1, 2).await;
    remove_product(&pool, 1, 3).await;
    let alerts = app.alerts("alice").await;
    assert_eq!(alerts["count"], 1, "a product goes once");
    let alert = &alerts["data"][0];
    assert_eq!((&alert["eventId"], &alert["kind"]), (&json!(event), &json!("product_removed")));
    assert_eq!((&alert["oldPrice"], &alert["newPrice"]), (&json!("10.00"), &json!(null)));
    assert_eq!(alert["productName"], "Product 1");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn only_carts_that_hold_the_product_are_touched(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    add_product(&pool, 2, "10.00").await;
    app.fill("alice", 1, 1).await;
    app.fill("bob", 2, 1).await;
    app.fill("carol", 1, 1).await;
    app.basket(Method::DELETE, "carol", "/items/1").send().await.unwrap();
    let before = (app.see("bob").await, app.see("carol").await);
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    remove_product(&pool, 1, 3).await;
    assert_eq!((app.see("bob").await, app.see("carol").await), before);
    assert_eq!(app.alerts("bob").await, json!({"count": 0, "data": []}));
    assert_eq!(app.alerts("carol").await, json!({"count": 0, "data": []}));
    assert_eq!(app.alerts("alice").await["count"], 2);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn alerts_are_listed_in_pages_newest_first(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "1.00").await;
    app.fill("alice", 1, 1).await;
    for version in 2..=13 {
        let (old, new) = (format!("{}.00", version - 1), format!("{version}.00"));
        reprice(&pool, 1, &old, &new, version).await;
    }
    let page = async |query: &str| {
        let answer = app.basket(Method::GET, "alice", &format!("/alerts{query}")).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        assert_eq!(page["count"], 12, "the count is of all pages");
        let prices = page["data"].as_array().unwrap().iter();
        prices.map(|alert| alert["newPrice"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page("").await.len(), 10, "ten if nothing is said");
    assert_eq!(page("?pageSize=5").await, ["13.00", "12.00", "11.00", "10.00", "9.00"]);
    assert_eq!(page("?pageSize=5&pageIndex=2").await, ["3.00", "2.00"]);
    assert_eq!(page("?pageSize=5&pageIndex=3").await, Vec::<String>::new());
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn alerts_outlive_the_line_and_the_basket_that_they_were_about(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    let before = app.alerts("alice").await;
    app.basket(Method::DELETE, "alice", "").send().await.unwrap();
    assert_eq!(app.alerts("alice").await, before);
    app.acknowledge("alice").await;
    assert!(app.alerts("alice").await["data"][0]["acknowledgedAt"].is_string());
}
