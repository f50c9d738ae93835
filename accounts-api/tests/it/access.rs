//! Which routes need which token.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{expired_token, token};

use crate::app::TestApp;

/// The public operations: every other one in the document must demand a token.
const PUBLIC: [&str; 8] = [
    "get /.well-known/jwks.json",
    "get /api/v1/users/{id}/validate",
    "get /health/live",
    "get /health/ready",
    "get /metrics",
    "post /api/v1/sessions",
    "post /api/v1/users",
    "post /api/v1/users/{id}/validate",
];

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn every_operation_but_the_public_ones_needs_a_token_that_counts(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let id = app.register("alice@example.org").await;
    let document = json!(accounts_api::app().document());
    let mut public = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = &operation["security"];
            if security.is_null() || *security == json!([]) {
                public.push(format!("{method} {path}"));
                continue;
            }
            let url = app.url(&path.replace("{id}", &id.to_string()));
            let ask = |bearer: Option<String>| {
                let method: Method = method.to_uppercase().parse().unwrap();
                let request = app.client.request(method, &url);
                match bearer {
                    Some(bearer) => request.bearer_auth(bearer),
                    None => request,
                }
            };
            let owner = id.to_string();
            let forged = format!("{}x", token(&owner, "ops"));
            for bearer in [None, Some("x".to_owned()), Some(expired_token(&owner, "ops")), Some(forged)] {
                let answer = ask(bearer).send().await.unwrap();
                assert_eq!(answer.status(), 401, "{method} {path}");
                assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            }
            let demands: Vec<&str> = security[0]["bearer"]
                .as_array()
                .unwrap()
                .iter()
                .map(|scope| scope.as_str().unwrap())
                .collect();
            let mallory = ask(Some(token("mallory", "catalog:write opsx"))).send().await.unwrap();
            let expected: &[u16] = if demands.is_empty() { &[400, 404] } else { &[403] };
            assert!(expected.contains(&mallory.status().as_u16()), "{method} {path}: {}", mallory.status());
            assert_eq!(mallory.headers()["content-type"], "application/problem+json");
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
    assert_eq!(app.see(id).await.map(|user: Value| user["status"].clone()), Some(json!("registered")));
}
