//! Who may see and change a basket.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use sqlx::PgPool;
use test_kit::{expired_token, token};

use crate::app::{TestApp, add_product, problem, reprice};

/// Every operation on a basket: method, path below it, whether it has a body.
const OPERATIONS: [(&str, &str, bool); 12] = [
    ("GET", "", false),
    ("DELETE", "", false),
    ("PUT", "/items/1", true),
    ("DELETE", "/items/1", false),
    ("GET", "/alerts", false),
    ("POST", "/alerts/acknowledge", false),
    ("GET", "/alerts/stream", false),
    ("GET", "/lists", false),
    ("POST", "/lists", true),
    ("GET", "/lists/019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11", false),
    ("PUT", "/lists/019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11", true),
    ("DELETE", "/lists/019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11", false),
];

fn operations<'a>(app: &'a TestApp, buyer: &'a str) -> impl Iterator<Item = RequestBuilder> + 'a {
    OPERATIONS.into_iter().map(move |(method, path, has_body)| {
        let request = app.request(method.parse().unwrap(), &format!("/api/v1/basket/{buyer}{path}"));
        if has_body { request.json(&json!({"quantity": 5})) } else { request }
    })
}

/// Alice has a product with an alert in her basket; returns what she sees.
async fn alices_basket(app: &TestApp) -> (serde_json::Value, serde_json::Value) {
    add_product(&app.pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    reprice(&app.pool, 1, "10.00", "12.50", 2).await;
    (app.see("alice").await, app.alerts("alice").await)
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_subject_that_can_be_no_buyer_is_told_so(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let long = "x".repeat(65);
    for subject in [".", "..", "...", "a/b", "a\\b", "%2e%2e", "a b", "a?b", "a#b", "é", "a;b", &long] {
        for request in operations(&app, "alice") {
            let answer = request.bearer_auth(token(subject, "")).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{subject:?}");
            let problem = problem(answer).await;
            assert_eq!(problem["type"], "/problems/not-a-buyer", "{subject:?}");
            assert!(problem["detail"].as_str().unwrap().contains("claim sub"), "{problem}");
        }
    }
    for buyer in ["a.b", ".a", "a..b", "a:b|c", "anna@example.org", "+-_"] {
        app.see(buyer).await;
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn nobody_gets_in_without_a_token_that_counts(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let before = alices_basket(&app).await;
    let good = token("alice", "");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    let bad = [
        None,
        Some(expired_token("alice", "")),
        Some("not-a-token".to_owned()),
        Some(format!("{head}.{reversed}")),
        Some(format!("{head}.")),
        Some(good.replace('.', "..")),
        Some("x".repeat(20_000)),
    ];
    for token in bad {
        for request in operations(&app, "alice") {
            let request = match &token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{:?} with {token:?}", answer.url().path());
            assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            assert_eq!(problem(answer).await["type"], "/problems/unauthorized");
        }
    }
    assert_eq!((app.see("alice").await, app.alerts("alice").await), before, "nothing was changed");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn another_buyers_basket_looks_as_if_it_were_not_there(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let before = alices_basket(&app).await;
    for scope in ["", "ops catalog:write"] {
        for (full, none) in operations(&app, "alice").zip(operations(&app, "nobody")) {
            let full = full.bearer_auth(token("mallory", scope)).send().await.unwrap();
            let none = none.bearer_auth(token("mallory", scope)).send().await.unwrap();
            assert_eq!((full.status().as_u16(), none.status().as_u16()), (404, 404));
            let (mut full, mut none) = (problem(full).await, problem(none).await);
            full["request_id"].take();
            none["request_id"].take();
            assert_eq!(full, none, "the answer tells whether there is a basket");
        }
    }
    assert_eq!((app.see("alice").await, app.alerts("alice").await), before, "nothing was changed");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_buyer_acknowledges_only_their_own_alerts(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let (_, alerts) = alices_basket(&app).await;
    app.fill("bob", 1, 1).await;
    let ids = json!({"ids": [alerts["data"][0]["id"]]});
    let answer = app.basket(Method::POST, "bob", "/alerts/acknowledge").json(&ids).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    app.acknowledge("bob").await;
    assert_eq!(app.alerts("alice").await, alerts);
    assert_eq!(app.see("alice").await["items"][0]["oldUnitPrice"], "10.00");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_cannot_be_a_buyer_is_nobodys_basket(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let long = "x".repeat(65);
    for (named, subject) in [
        ("a%20b", "alice"),
        ("a%2Fb", "alice"),
        ("%C3%A4", "alice"),
        (long.as_str(), "alice"),
        ("ALICE", "alice"),
        ("alice%00", "alice"),
        ("%FF", "alice"),
    ] {
        let request = app.request(Method::GET, &format!("/api/v1/basket/{named}"));
        let answer = request.bearer_auth(token(subject, "")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{named}");
        problem(answer).await;
    }
    let request = app.request(Method::GET, "/api/v1/basket/auth0%7C6%40x.org");
    assert_eq!(request.bearer_auth(token("auth0|6@x.org", "")).send().await.unwrap().status(), 200);
}
