//! The price that the buyer last accepted, and how it comes to be another one.

use basket_api::subscriptions::RepriceBaskets;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, add_product, handle, received, reprice, repriced};

/// Unit price and old unit price of the first item.
fn prices(basket: &Value) -> (Value, Value) {
    (basket["items"][0]["unitPrice"].clone(), basket["items"][0]["oldUnitPrice"].clone())
}

async fn basket_with_a_mug(pool: &PgPool) -> TestApp {
    let app = TestApp::spawn(pool);
    add_product(pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    app
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_old_price_is_the_accepted_one_over_any_number_of_changes(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    for (old, new, version) in [("10.00", "12.50", 2), ("12.50", "11.00", 3), ("11.00", "14.00", 4)] {
        reprice(&pool, 1, old, new, version).await;
        assert_eq!(prices(&app.see("alice").await), (json!(new), json!("10.00")));
    }
    assert_eq!(app.alerts("alice").await["count"], 3, "the history keeps every change");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_old_price_goes_away_when_the_price_returns_to_it(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    reprice(&pool, 1, "12.50", "10.00", 3).await;
    assert_eq!(prices(&app.see("alice").await), (json!("10.00"), json!(null)));
    assert_eq!(app.alerts("alice").await["count"], 2, "both changes were announced");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn acknowledging_everything_accepts_every_present_price(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    add_product(&pool, 2, "1.00").await;
    app.fill("alice", 2, 1).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    reprice(&pool, 2, "1.00", "2.00", 2).await;
    let version = app.see("alice").await["version"].as_i64().unwrap();

    app.acknowledge("alice").await;
    let basket = app.see("alice").await;
    assert_eq!(basket["items"][0]["oldUnitPrice"], json!(null));
    assert_eq!(basket["items"][1]["oldUnitPrice"], json!(null));
    assert_eq!(basket["version"], version + 1, "what is shown has changed");
    let alerts = app.alerts("alice").await;
    assert!(alerts["data"].as_array().unwrap().iter().all(|alert| alert["acknowledgedAt"].is_string()));

    app.acknowledge("alice").await;
    assert_eq!(app.see("alice").await["version"], version + 1, "there was nothing left to acknowledge");
    assert_eq!(app.alerts("alice").await, alerts, "the first time counts");

    reprice(&pool, 1, "12.50", "10.00", 3).await;
    assert_eq!(prices(&app.see("alice").await), (json!("10.00"), json!("12.50")));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn acknowledging_some_alerts_accepts_the_prices_of_their_products(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    add_product(&pool, 2, "1.00").await;
    app.fill("alice", 2, 1).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    reprice(&pool, 2, "1.00", "2.00", 2).await;
    let alerts = app.alerts("alice").await;
    assert_eq!(alerts["data"][1]["productId"], 1);

    let ids = json!({"ids": [alerts["data"][1]["id"]]});
    let request = app.basket(Method::POST, "alice", "/alerts/acknowledge").json(&ids);
    assert_eq!(request.send().await.unwrap().status(), 204);
    let basket = app.see("alice").await;
    assert_eq!(basket["items"][0]["oldUnitPrice"], json!(null));
    assert_eq!(basket["items"][1]["oldUnitPrice"], json!("1.00"));
    let alerts = app.alerts("alice").await;
    assert_eq!(alerts["data"][0]["acknowledgedAt"], json!(null));
    assert!(alerts["data"][1]["acknowledgedAt"].is_string());
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_price_whose_alert_is_not_acknowledged_is_not_accepted(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    let seen = app.alerts("alice").await["data"][0]["id"].clone();
    reprice(&pool, 1, "12.50", "14.00", 3).await;
    let unseen = app.alerts("alice").await["data"][0]["id"].clone();
    for (id, old) in [(&seen, json!("10.00")), (&unseen, json!(null)), (&seen, json!(null))] {
        let request = app.basket(Method::POST, "alice", "/alerts/acknowledge").json(&json!({"ids": [id]}));
        assert_eq!(request.send().await.unwrap().status(), 204);
        assert_eq!(prices(&app.see("alice").await), (json!("14.00"), old));
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn another_quantity_accepts_no_price(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    let basket = app.fill("alice", 1, 7).await;
    assert_eq!(prices(&basket), (json!("12.50"), json!("10.00")));
    assert_eq!(basket["total"], "87.50");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_item_that_is_put_in_anew_is_accepted_at_the_present_price(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    reprice(&pool, 1, "10.00", "12.50", 2).await;
    app.basket(Method::DELETE, "alice", "/items/1").send().await.unwrap();
    assert_eq!(prices(&app.fill("alice", 1, 1).await), (json!("12.50"), json!(null)));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn changes_that_come_together_are_one_new_price_and_an_alert_each(pool: PgPool) {
    let app = basket_with_a_mug(&pool).await;
    add_product(&pool, 2, "1.00").await;
    app.fill("bob", 2, 1).await;
    app.fill("bob", 1, 1).await;
    let run = [
        received(1, 2, repriced(1, "10.00", "12.50", 2)),
        received(2, 2, repriced(2, "1.00", "2.00", 2)),
        received(1, 3, repriced(1, "12.50", "9.00", 3)),
    ];
    handle(&pool, &RepriceBaskets, &run).await;
    assert_eq!(prices(&app.see("alice").await), (json!("9.00"), json!("10.00")));
    let told = |alerts: &Value| -> Vec<(Value, Value, Value)> {
        let alerts = alerts["data"].as_array().unwrap().iter();
        alerts.map(|a| (a["eventId"].clone(), a["oldPrice"].clone(), a["newPrice"].clone())).collect()
    };
    let ids: Vec<_> = run.iter().map(|event| json!(event.id)).collect();
    assert_eq!(
        told(&app.alerts("alice").await),
        [(ids[2].clone(), json!("12.50"), json!("9.00")), (ids[0].clone(), json!("10.00"), json!("12.50"))]
    );
    assert_eq!(
        told(&app.alerts("bob").await),
        [
            (ids[2].clone(), json!("12.50"), json!("9.00")),
            (ids[1].clone(), json!("1.00"), json!("2.00")),
            (ids[0].clone(), json!("10.00"), json!("12.50")),
        ]
    );
}
