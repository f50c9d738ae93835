//! The operator's routes.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::token;

use crate::app::{Sandbox, TestApp, request, until};

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn operators_see_payments_by_state_and_no_tokens(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_ok").await;
    request(&pool, "order-2", "7.00", "tok_declined").await;
    until(&pool, "order-1", "succeeded").await;
    until(&pool, "order-2", "failed").await;

    let all = app.see("/api/v1/payments").await;
    assert_eq!(
        (&all["count"], &all["data"][0]["orderId"]),
        (&json!(2), &json!("order-2")),
        "newest first: {all}"
    );
    assert!(!all.to_string().contains("tok_"), "{all}");
    let failed = app.see("/api/v1/payments?state=failed").await;
    assert_eq!((&failed["count"], &failed["data"][0]["reason"]), (&json!(1), &json!("card_declined")));
    let page = app.see("/api/v1/payments?pageIndex=1&pageSize=1").await;
    assert_eq!((&page["count"], &page["data"][0]["orderId"]), (&json!(2), &json!("order-1")));
    let id = page["data"][0]["paymentId"].as_str().unwrap().to_owned();
    assert_eq!(app.see(&format!("/api/v1/payments/{id}")).await, page["data"][0]);
    let status = app.see("/api/v1/payments/status").await;
    assert_eq!(status, json!({"states": {"failed": 1, "succeeded": 1}, "overdue": 0, "problems": []}));
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn payments_are_for_operators_alone(pool: PgPool) {
    let app = TestApp::spawn(&pool, "http://127.0.0.1:1");
    let id = uuid::Uuid::now_v7();
    for (method, path) in [
        (Method::GET, "/api/v1/payments".to_owned()),
        (Method::GET, "/api/v1/payments/status".to_owned()),
        (Method::GET, format!("/api/v1/payments/{id}")),
        (Method::POST, format!("/api/v1/payments/{id}/retry")),
    ] {
        let stranger = app.request(method.clone(), &path).send().await.unwrap();
        let buyer = app.request(method, &path).bearer_auth(token("alice", "")).send().await.unwrap();
        assert_eq!((stranger.status().as_u16(), buyer.status().as_u16()), (401, 403), "{path}");
    }
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_payment_that_is_not_there_is_not_found_and_a_wrong_question_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool, "http://127.0.0.1:1");
    let id = uuid::Uuid::now_v7();
    for (method, path, status) in [
        (Method::GET, format!("/api/v1/payments/{id}"), 404),
        (Method::POST, format!("/api/v1/payments/{id}/retry"), 404),
        (Method::GET, "/api/v1/payments/seven".to_owned(), 400),
        (Method::GET, "/api/v1/payments?state=lost".to_owned(), 400),
        (Method::GET, "/api/v1/payments?pageSize=101".to_owned(), 400),
        (Method::GET, "/api/v1/payments?pageIndex=-1".to_owned(), 400),
        (Method::GET, "/api/v1/payments?colour=red".to_owned(), 400),
    ] {
        let answer = app.operate(method, &path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status, "{path}: {problem}");
    }
}
