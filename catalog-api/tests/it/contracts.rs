//! What others rely on, in the form in which they have it.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, details, details_with};

fn contract(name: &str) -> String {
    let path = format!("{}/../contracts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_events_are_those_of_the_contracts(pool: PgPool) {
    let app = App::spawn(pool).await;
    sqlx::query("select setval('product_product_id_seq', 6)").execute(&app.pool).await.expect("a sequence");
    app.post(&details()).await;
    app.put_price(7, "9.99").await;
    let mut body = details_with("name", json!("Tarn 3 trekking tent"));
    body["price"] = json!("9.99");
    app.put(7, &body).await;
    app.delete(7).await;

    let payloads: Vec<(String, String)> =
        sqlx::query_as("select event_type, payload::text from integration_event_log order by position")
            .fetch_all(&app.pool)
            .await
            .expect("the log");
    assert_eq!(payloads.len(), 4);
    for (event_type, payload) in payloads {
        let golden = contract(&format!("{event_type}.json"));
        // Compared as text: the order of the members is kept, too.
        let payload: Box<serde_json::value::RawValue> = serde_json::from_str(&payload).expect("JSON");
        assert_eq!(compact(payload.get()), compact(&golden), "{event_type}");
    }
}

/// JSON text without the space between its parts.
fn compact(text: &str) -> String {
    let mut inside = false;
    let mut escaped = false;
    text.chars()
        .filter(|c| {
            let keep = inside || !c.is_whitespace();
            if inside && !escaped && *c == '\\' {
                escaped = true;
            } else {
                if *c == '"' && !escaped {
                    inside = !inside;
                }
                escaped = false;
            }
            keep
        })
        .collect()
}

#[test]
fn the_openapi_document_is_the_published_one() {
    let made: Value = json!(catalog_api::app().document());
    let published: Value = serde_json::from_str(&contract("openapi/catalog-api.json")).expect("JSON");
    assert_eq!(
        made, published,
        "if the change is meant: cargo run -p catalog-api -- openapi > contracts/openapi/catalog-api.json"
    );
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_served_document_has_every_route(pool: PgPool) {
    let app = App::spawn(pool).await;
    let url = format!("http://{}/openapi.json", app.address);
    let served: Value = reqwest::get(url).await.expect("an answer").json().await.expect("JSON");
    let published: Value = serde_json::from_str(&contract("openapi/catalog-api.json")).expect("JSON");
    assert_eq!(served, published);
    let paths = published["paths"].as_object().expect("paths");
    for path in
        ["/items", "/items/{id}", "/items/{id}/price", "/items/{id}/pic", "/catalogtypes", "/catalogbrands"]
    {
        assert!(paths.contains_key(&format!("/api/v1/catalog{path}")), "{path}");
    }
}
