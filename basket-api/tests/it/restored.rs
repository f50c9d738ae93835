//! The catalog was restored from a backup: its log begins a new generation, and it uses ids again.

use basket_api::subscriptions::{AddProduct, RemoveProduct, RepriceBaskets, UpdateProduct};
use event_bus::Received;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, add_product, added, handle, received, remove_product, reprice, repriced};

/// An event of product 1 in the generation that began with the restore.
fn afterwards<P: DeserializeOwned>(version: i64, data: Value) -> Received<P> {
    Received { generation: 2, ..received(1, version, data) }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_id_that_is_used_again_reprices_carts_and_raises_one_alert(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    reprice(&pool, 1, "10.00", "11.00", 2).await;
    app.fill("alice", 1, 2).await;
    let mut other = added(1, "4.00");
    other["name"] = json!("Other product");
    handle(&pool, &AddProduct, &[afterwards(1, other)]).await;

    let item = &app.see("alice").await["items"][0];
    let seen = [&item["productName"], &item["unitPrice"], &item["oldUnitPrice"]];
    assert_eq!(seen, [&json!("Other product"), &json!("4.00"), &json!("11.00")], "{item}");
    let alerts = app.alerts("alice").await;
    let alert = &alerts["data"][0];
    assert_eq!(alerts["count"], 1, "{alerts}");
    assert_eq!((&alert["oldPrice"], &alert["newPrice"]), (&json!("11.00"), &json!("4.00")));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_addition_that_comes_after_the_price_change_of_its_generation_raises_no_alert(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    handle(&pool, &RepriceBaskets, &[afterwards(2, repriced(1, "4.00", "5.00", 2))]).await;
    handle(&pool, &AddProduct, &[afterwards(1, added(1, "4.00"))]).await;
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "5.00");
    assert_eq!(app.alerts("alice").await["count"], 1, "of the change");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_product_that_was_removed_after_the_backup_is_sold_again(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let changed = json!({"productId": 1, "name": "Renamed", "pictureUrl": "/renamed", "version": 2});
    for event in 0..3 {
        add_product(&pool, 1, "10.00").await;
        remove_product(&pool, 1, 3).await;
        assert_eq!(app.put("alice", 1, 1).await.status(), 404);
        match event {
            0 => handle(&pool, &AddProduct, &[afterwards(1, added(1, "10.00"))]).await,
            1 => handle(&pool, &RepriceBaskets, &[afterwards(2, repriced(1, "10.00", "12.00", 2))]).await,
            _ => handle(&pool, &UpdateProduct, &[afterwards(2, changed.clone())]).await,
        }
        // Sent again, the removal from before the restore is old.
        remove_product(&pool, 1, 3).await;
        assert_eq!(app.fill("alice", 1, 1).await["items"][0]["available"], true);

        handle(&pool, &RemoveProduct, &[afterwards(3, json!({"productId": 1}))]).await;
        assert_eq!(app.alerts("alice").await["data"][0]["kind"], "product_removed");
        handle(&pool, &RepriceBaskets, &[afterwards(4, repriced(1, "12.00", "13.00", 4))]).await;
        assert_eq!(app.put("bob", 1, 1).await.status(), 404, "for good in its generation");
        sqlx::raw_sql("truncate product, cart, cart_line, alert").execute(&pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_removal_of_the_new_generation_is_remembered_though_the_product_was_removed_before(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    remove_product(&pool, 1, 3).await;
    handle(&pool, &RemoveProduct, &[afterwards(3, json!({"productId": 1}))]).await;
    assert_eq!(app.alerts("alice").await["count"], 1, "a product goes once");
    handle(&pool, &RepriceBaskets, &[afterwards(2, repriced(1, "10.00", "12.00", 2))]).await;
    assert_eq!(app.put("bob", 1, 1).await.status(), 404);
}
