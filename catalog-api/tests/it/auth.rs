//! Who may change the catalog.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use test_kit::{expired_token, token};

use crate::app::{App, details, problem};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn reading_needs_no_token(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    for path in
        ["/items", &format!("/items/{id}"), &format!("/items/{id}/pic"), "/catalogtypes", "/catalogbrands"]
    {
        assert_eq!(app.get(path).await.status(), 200, "{path}");
        let request = app.request(Method::GET, path).bearer_auth("nonsense");
        assert_eq!(
            request.send().await.expect("an answer").status(),
            200,
            "{path}: a token is not looked at"
        );
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn changing_needs_a_valid_token_with_the_scope(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let (before, log) = (app.get_json("/items").await, app.log().await);
    let good = token("olga", "catalog:write");
    let refused = [
        (None, 401, "unauthorized"),
        (Some("nonsense".to_owned()), 401, "unauthorized"),
        (Some(format!("{good}x")), 401, "unauthorized"),
        (Some(expired_token("olga", "catalog:write")), 401, "unauthorized"),
        (Some("x".repeat(20_000)), 401, "unauthorized"),
        (Some(token("alice", "")), 403, "forbidden"),
        (Some(token("alice", "catalog:read ops catalog:writer")), 403, "forbidden"),
    ];
    for (token, status, kind) in &refused {
        for (method, path) in [
            (Method::POST, "/items".to_owned()),
            (Method::PUT, format!("/items/{id}")),
            (Method::PUT, format!("/items/{id}/price")),
            (Method::DELETE, format!("/items/{id}")),
            // What a stranger may not do, he does not learn about either.
            (Method::PUT, "/items/0".to_owned()),
            (Method::DELETE, "/items/99999".to_owned()),
        ] {
            let mut request = app.request(method.clone(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if method != Method::DELETE {
                request =
                    request.json(&if path.ends_with("/price") { json!({"price": "1"}) } else { details() });
            }
            let answer = request.send().await.expect("an answer");
            assert!(answer.headers().contains_key("www-authenticate"), "{method} {path}");
            problem(answer, *status, kind).await;
        }
    }
    assert_eq!((app.get_json("/items").await, app.log().await), (before, log), "nothing has changed");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn one_scope_among_others_is_enough(pool: PgPool) {
    let app = App::spawn(pool).await;
    let request = app.request(Method::POST, "/items").bearer_auth(token("olga", "ops catalog:write"));
    assert_eq!(request.json(&details()).send().await.expect("an answer").status(), 201);
}
