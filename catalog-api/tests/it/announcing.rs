//! What the outside is told, and what not.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, details, details_with, header, log_of};

const ADDED: &str = "shop.catalog.product_added.v1";
const PRICE_CHANGED: &str = "shop.catalog.product_price_changed.v1";
const CHANGED: &str = "shop.catalog.product_changed.v1";
const REMOVED: &str = "shop.catalog.product_removed.v1";

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn adding_a_product_announces_it(pool: PgPool) {
    let app = App::spawn(pool).await;
    let answer = app.post(&details()).await;
    let event_id = header(&answer, "event-id");
    let item: Value = answer.json().await.expect("JSON");
    let log = app.log().await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].event_id, event_id);
    assert_eq!((log[0].event_type.as_str(), log[0].key_version), (ADDED, 1));
    assert_eq!(log[0].key, item["id"].to_string());
    assert_eq!(
        log[0].payload,
        json!({
            "productId": item["id"], "name": "Tarn 2 trekking tent", "price": "12.50", "currency": "EUR",
            "pictureUrl": item["pictureUrl"], "version": 1,
        })
    );
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn changing_a_price_announces_it_exactly_once(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("10.00").await;
    let answer = app.put_price(id, "12.50").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "etag").as_str()), (200, "\"2\""));
    let last = app.log().await.pop().expect("announced");
    assert_eq!(header(&answer, "event-id"), last.event_id);
    assert_eq!((last.event_type.as_str(), last.key_version), (PRICE_CHANGED, 2));
    assert_eq!(
        last.payload,
        json!({
            "productId": id, "name": "Tarn 2 trekking tent", "oldPrice": "10.00", "newPrice": "12.50",
            "currency": "EUR", "version": 2,
        })
    );

    let again = app.put_price(id, "12.5").await;
    assert_eq!((again.status().as_u16(), header(&again, "etag").as_str()), (200, "\"2\""));
    assert!(again.headers().get("event-id").is_none(), "an unchanged price is not news");
    assert_eq!(app.announced_of(id).await, [PRICE_CHANGED]);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn replacing_a_product_announces_what_changed_and_no_more(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let mut version = 1;
    let mut seen = 1;
    for (field, value, announced) in [
        ("name", json!("Beck"), vec![CHANGED]),
        ("description", json!("other"), vec![CHANGED]),
        ("typeId", json!(2), vec![CHANGED]),
        ("brandId", json!(2), vec![CHANGED]),
        ("price", json!("13.00"), vec![PRICE_CHANGED]),
        ("availableStock", json!(8), vec![]),
    ] {
        // Back to the start is a change as well; only the difference to it is looked at.
        app.put(id, &details()).await;
        let before = app.get_json(&format!("/items/{id}")).await["version"].as_i64().expect("a number");
        seen = app.log().await.len().max(seen);
        let answer = app.put(id, &details_with(field, value)).await;
        assert_eq!(answer.status(), 200);
        let log = app.log().await.split_off(seen);
        let types: Vec<&str> = log.iter().map(|row| row.event_type.as_str()).collect();
        assert_eq!(types, announced, "{field}");
        let ids: Vec<&str> = log.iter().map(|row| row.event_id.as_str()).collect();
        assert_eq!(header(&answer, "event-id"), ids.join(", "), "{field}");
        version = answer.json::<Value>().await.expect("JSON")["version"].as_i64().expect("a number");
        assert_eq!(version, before + 1, "{field}");
    }
    app.put(id, &details()).await;
    let (before, count) = (app.get_json(&format!("/items/{id}")).await, app.log().await.len());
    let answer = app.put(id, &details()).await;
    assert!(answer.headers().get("event-id").is_none());
    assert_eq!(answer.json::<Value>().await.expect("JSON"), before, "the same again changes nothing");
    assert_eq!(app.log().await.len(), count);
    assert!(version > 1);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn two_events_of_one_change_have_two_versions(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let mut body = details_with("name", json!("Beck"));
    body["price"] = json!("9.99");
    let answer = app.put(id, &body).await;
    let log = app.log().await.split_off(1);
    assert_eq!(header(&answer, "event-id"), format!("{}, {}", log[0].event_id, log[1].event_id));
    let seen: Vec<_> = log.iter().map(|row| (row.event_type.as_str(), row.key_version)).collect();
    assert_eq!(seen, [(CHANGED, 2), (PRICE_CHANGED, 3)]);
    assert_eq!((&log[0].payload["version"], &log[1].payload["version"]), (&json!(2), &json!(3)));
    assert_eq!((&log[0].payload["name"], &log[1].payload["name"]), (&json!("Beck"), &json!("Beck")));
    assert_eq!(answer.json::<Value>().await.expect("JSON")["version"], 3);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn removing_a_product_announces_it_as_its_last_event(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    app.put_price(id, "13.00").await;
    let answer = app.delete(id).await;
    let last = app.log().await.pop().expect("announced");
    assert_eq!(header(&answer, "event-id"), last.event_id);
    assert_eq!((last.event_type.as_str(), last.key_version), (REMOVED, 3));
    assert_eq!(last.payload, json!({"productId": id, "version": 3}));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_event_carries_the_trace_of_its_request(pool: PgPool) {
    let app = App::spawn(pool).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = app.write(Method::POST, "/items").json(&details());
    let request = request.header("traceparent", parent).header("tracestate", "vendor=1");
    assert_eq!(request.send().await.expect("an answer").status(), 201);
    app.post(&details()).await;
    let log = app.log().await;
    assert_eq!(log[0].headers, json!({"traceparent": parent, "tracestate": "vendor=1"}));
    let made = log[1].headers["traceparent"].as_str().expect("a trace of its own");
    assert_eq!((made.len(), made == parent), (55, false));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_commit_wakes_the_relay_and_does_not_notify_in_its_transaction(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let id = app.product_priced_at("10.00").await;
    let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await.expect("a listener");
    listener.listen("integration_event_log").await.expect("listening");
    app.put_price(id, "12.50").await;
    let woken = tokio::time::timeout(std::time::Duration::from_secs(5), listener.recv()).await;
    assert!(woken.expect("woken in time").is_ok());
    assert_eq!(log_of(&pool).await.len(), 2);
}
