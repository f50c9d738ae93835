//! What other services and clients may rely on.

use std::collections::BTreeMap;

use event_bus::BatchHandler;
use ordering_api::subscriptions::{
    AddProduct, CancelUnpaidOrder, CancelWithoutStock, CompleteOrder, ConfirmStock, EndGracePeriod,
    RemoveProduct, RepriceProduct, UpdateProduct,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, checkout, received};

fn contract(name: &str) -> String {
    let path = format!("{}/../contracts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The golden payload of an event type, with a field more: within a version, fields are only added.
fn golden<H: BatchHandler>(_: &H) -> Value {
    let mut payload: Value = serde_json::from_str(&contract(&format!("{}.json", H::EVENT_TYPE))).unwrap();
    payload["addedLater"] = json!({"nested": [1]});
    payload
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn the_events_are_those_of_the_contracts(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 2)], "20.00");
    let (shipped, cancelled) = (app.order("alice", &body).await, app.order("alice", &body).await);
    app.pay(shipped).await;
    app.ship(shipped).await;
    app.happens(&EndGracePeriod, cancelled, json!({})).await;
    app.happens(&ConfirmStock, cancelled, json!({})).await;
    app.cancel("alice", cancelled).await;
    app.order("alice", &body).await;
    let waiting = app.order("alice", &body).await;
    app.happens(&EndGracePeriod, waiting, json!({})).await;

    let written: Vec<(String, Value)> = sqlx::query_as(
        "select event_type, payload from integration_event_log
         union all select event_type, payload from outbox_scheduled",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let written: BTreeMap<String, Value> = written.into_iter().collect();
    assert_eq!(written.len(), 11, "{:?}", written.keys());
    for (event_type, mut payload) in written {
        payload["orderId"] = json!("019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11");
        let golden: Value = serde_json::from_str(&contract(&format!("{event_type}.json"))).unwrap();
        assert_eq!(payload, golden, "{event_type}");
    }
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn the_other_services_golden_events_are_understood(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let mut product = golden(&AddProduct);
    product["productId"] = json!(3);
    app.handle(&AddProduct, received("/catalog", "3", 1, product)).await.unwrap();
    let mut change = golden(&RepriceProduct);
    change["productId"] = json!(3);
    let price: f64 = change["newPrice"].as_str().unwrap().parse().unwrap();
    app.handle(&RepriceProduct, received("/catalog", "3", 2, change)).await.unwrap();
    let mut change = golden(&UpdateProduct);
    change["productId"] = json!(3);
    app.handle(&UpdateProduct, received("/catalog", "3", 3, change)).await.unwrap();
    let body = checkout(&[(3, 1)], &format!("{price:.2}"));

    let about = |mut payload: Value, id: Uuid| {
        payload["orderId"] = json!(id);
        payload
    };
    let (paid, declined, rejected) =
        (app.order("alice", &body).await, app.order("alice", &body).await, app.order("alice", &body).await);
    for id in [paid, declined, rejected] {
        app.happens(&EndGracePeriod, id, about(golden(&EndGracePeriod), id)).await;
    }
    app.happens(&CancelWithoutStock, rejected, about(golden(&CancelWithoutStock), rejected)).await;
    for id in [paid, declined] {
        app.happens(&ConfirmStock, id, about(golden(&ConfirmStock), id)).await;
    }
    app.happens(&CompleteOrder, paid, about(golden(&CompleteOrder), paid)).await;
    app.happens(&CancelUnpaidOrder, declined, about(golden(&CancelUnpaidOrder), declined)).await;
    assert_eq!(app.status("alice", paid).await, "paid");
    assert_eq!(app.see("alice", declined).await["reason"], "payment_failed");
    assert_eq!(app.see("alice", rejected).await["reason"], "stock_rejected");

    let mut removal = golden(&RemoveProduct);
    removal["productId"] = json!(3);
    app.handle(&RemoveProduct, received("/catalog", "3", 4, removal)).await.unwrap();
    assert_eq!(app.check_out("alice", "k", &body).await.status(), 422);
}

#[test]
fn the_openapi_document_is_the_published_one() {
    let made: Value = json!(ordering_api::app().document());
    let published: Value = serde_json::from_str(&contract("openapi/ordering-api.json")).unwrap();
    assert!(
        made == published,
        "if the change is meant: cargo run -p ordering-api -- openapi > contracts/openapi/ordering-api.json"
    );
}
