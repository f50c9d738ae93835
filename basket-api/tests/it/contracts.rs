//! What other services and clients may rely on.

use basket_api::subscriptions::{AddProduct, RemoveProduct, RepriceBaskets, UpdateProduct};
use event_bus::BatchHandler;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, handle, received};

/// The golden payload of an event type, with a field more: within a version, fields are only added.
fn golden<H: BatchHandler>(_: &H) -> Value {
    let path = format!("{}/../contracts/{}.json", env!("CARGO_MANIFEST_DIR"), H::EVENT_TYPE);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut payload: Value = serde_json::from_str(&text).unwrap();
    payload["addedLater"] = json!({"nested": [1]});
    payload
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_catalogs_golden_events_are_understood(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let payload = golden(&AddProduct);
    let id = payload["productId"].as_i64().unwrap();
    handle(&pool, &AddProduct, &[received(id, 1, payload.clone())]).await;
    let item = app.fill("alice", id, 1).await["items"][0].clone();
    for (field, from) in [("productName", "name"), ("unitPrice", "price"), ("pictureUrl", "pictureUrl")] {
        assert_eq!(item[field], payload[from]);
    }

    let payload = golden(&RepriceBaskets);
    handle(&pool, &RepriceBaskets, &[received(id, 2, payload.clone())]).await;
    let item = app.see("alice").await["items"][0].clone();
    assert_eq!(item["unitPrice"], payload["newPrice"]);
    let alert = app.alerts("alice").await["data"][0].clone();
    for (field, from) in [("productName", "name"), ("oldPrice", "oldPrice"), ("newPrice", "newPrice")] {
        assert_eq!(alert[field], payload[from]);
    }

    let payload = golden(&UpdateProduct);
    handle(&pool, &UpdateProduct, &[received(id, 3, payload.clone())]).await;
    let item = app.see("alice").await["items"][0].clone();
    assert_eq!((&item["productName"], &item["pictureUrl"]), (&payload["name"], &payload["pictureUrl"]));

    handle(&pool, &RemoveProduct, &[received(id, 4, golden(&RemoveProduct))]).await;
    assert_eq!(app.see("alice").await["items"][0]["available"], false);
}

#[test]
fn the_openapi_document_is_the_one_that_is_published() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/openapi/basket-api.json");
    let published: Value = serde_json::from_str(&std::fs::read_to_string(path).expect(path)).unwrap();
    let generated = basket_api::app().document().to_json().unwrap();
    let generated: Value = serde_json::from_str(&generated).unwrap();
    assert!(
        published == generated,
        "the document has changed; if that is meant: \
         cargo run -p basket-api -- openapi > contracts/openapi/basket-api.json"
    );
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_documentation_is_served_without_a_token_and_without_a_network(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let get = async |path: &str| app.request(reqwest::Method::GET, path).send().await.unwrap();
    let document: Value = get("/openapi.json").await.json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let generated = basket_api::app().document().to_json().unwrap();
    assert_eq!(document, serde_json::from_str::<Value>(&generated).unwrap());
    let page = get("/docs").await;
    assert_eq!(page.status(), 200);
    assert!(!page.text().await.unwrap().contains("https://"), "the page fetches from elsewhere");
}
