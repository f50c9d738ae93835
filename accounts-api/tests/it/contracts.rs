//! What other services and clients may rely on.

use std::collections::BTreeMap;

use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, links};

fn contract(name: &str) -> String {
    let path = format!("{}/../contracts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn the_events_are_those_of_the_contracts(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let id = app.register("alice@example.org").await;
    app.register("alice@example.org").await;
    assert_eq!(app.validate(id, &links().sign(id, Utc::now())).await.status(), 200);
    let erased = app.request_as(Method::DELETE, &format!("/{id}"), &id.to_string(), "").send().await.unwrap();
    assert_eq!(erased.status(), 202);

    let written: Vec<(String, Value)> =
        sqlx::query_as("select event_type, payload from integration_event_log")
            .fetch_all(&pool)
            .await
            .unwrap();
    let written: BTreeMap<String, Value> = written.into_iter().collect();
    assert_eq!(written.len(), 5, "{:?}", written.keys());
    for (event_type, mut payload) in written {
        payload["userId"] = json!("019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11");
        let golden: Value = serde_json::from_str(&contract(&format!("{event_type}.json"))).unwrap();
        assert_eq!(payload, golden, "{event_type}");
    }
}

#[test]
fn the_openapi_document_is_the_published_one() {
    let made: Value = json!(accounts_api::app().document());
    let published: Value = serde_json::from_str(&contract("openapi/accounts-api.json")).unwrap();
    assert!(
        made == published,
        "if the change is meant: cargo run -p accounts-api -- openapi > contracts/openapi/accounts-api.json"
    );
}
