//! Answers that a provider should not give.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use test_kit::eventually;
use uuid::Uuid;

use crate::app::{SOON, TestApp, cancel, request, state_of, told, until};
use crate::provider::{Provider, Reply, charged, refunded};

fn is(status: &'static str, headers: &'static str, body: &str) -> Reply {
    Reply::Is(status, headers, body.to_owned())
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn until_the_outcome_is_known_the_provider_is_asked_again_with_the_same_key(pool: PgPool) {
    let charge = r#"{"status":"succeeded","chargeId":"ch_1","amount":"12.50","currency":"EUR"}"#;
    let replies = vec![
        Reply::Silence,
        Reply::Cut,
        is("500 Internal Server Error", "", ""),
        is("503 Service Unavailable", "", charge),
        is("429 Too Many Requests", "retry-after: 0\r\n", ""),
        is("302 Found", "location: /elsewhere\r\n", ""),
        is("307 Temporary Redirect", "location: /elsewhere\r\n", charge),
        is("200 OK", "", ""),
        is("200 OK", "", "<html>charged</html>"),
        is("200 OK", "", r#"{"status":"succeeded"}"#),
        is("404 Not Found", "", charge),
        is("401 Unauthorized", "", ""),
        is("402 Payment Required", "", "declined"),
        is("200 OK", "content-type: application/json\r\n", &format!("{charge}{}", " ".repeat(70_000))),
        charged("12.50", "EUR"),
    ];
    let count = replies.len();
    let provider = Provider::start(replies).await;
    let _app = TestApp::spawn(&pool, &provider.url);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;

    let seen = provider.seen();
    let payment: Uuid = sqlx::query_scalar("select payment_id from payment").fetch_one(&pool).await.unwrap();
    let keys: BTreeSet<String> = seen.iter().map(|request| request.key.clone()).collect();
    assert_eq!(keys, [payment.to_string()].into());
    let body = json!({"orderId": "order-1", "amount": "12.50", "currency": "EUR", "token": "tok_ok"});
    assert!(seen.iter().all(|request| request.path == "/charges" && request.body == body), "{seen:?}");
    assert_eq!(seen.len(), count, "each answer was given once");
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn an_answer_with_another_amount_or_currency_is_never_a_success_and_is_held(pool: PgPool) {
    for (order, reply) in [
        ("less", charged("12.49", "EUR")),
        ("more", charged("1250.00", "EUR")),
        ("dollars", charged("12.50", "USD")),
        ("nothing", charged("0", "EUR")),
    ] {
        let provider = Provider::start(vec![reply]).await;
        let app = TestApp::spawn(&pool, &provider.url);
        request(&pool, order, "12.50", "tok_ok").await;
        until(&pool, order, "held").await;
        assert_eq!(provider.seen().len(), 3, "it may have been a slip");
        assert_eq!(told(&pool, order).await, Vec::<String>::new());
        let payment =
            app.see(&format!("/api/v1/payments?state=held&orderId={order}")).await["data"][0].clone();
        assert!(payment["reason"].as_str().unwrap().contains("ch_1"), "{payment}");
        let status = app.see("/api/v1/payments/status").await;
        assert!(status["problems"][0].as_str().unwrap().contains("held"), "{status}");
    }
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_provider_that_corrects_itself_is_believed(pool: PgPool) {
    let provider = Provider::start(vec![charged("12.49", "EUR"), charged("12.50", "EUR")]).await;
    let _app = TestApp::spawn(&pool, &provider.url);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_held_payment_is_asked_for_again_when_an_operator_wants_it(pool: PgPool) {
    let wrong = charged("12.49", "EUR");
    let provider = Provider::start(vec![wrong.clone(), wrong.clone(), wrong, charged("12.50", "EUR")]).await;
    let app = TestApp::spawn(&pool, &provider.url);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "held").await;
    let payment: Uuid = sqlx::query_scalar("select payment_id from payment").fetch_one(&pool).await.unwrap();
    let retry = format!("/api/v1/payments/{payment}/retry");
    assert_eq!(app.operate(Method::POST, &retry).send().await.unwrap().status(), 202);
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
    assert_eq!(app.operate(Method::POST, &retry).send().await.unwrap().status(), 409);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn what_a_held_payment_has_charged_is_refunded_when_its_order_is_cancelled(pool: PgPool) {
    let wrong = charged("12.49", "EUR");
    let provider = Provider::start(vec![wrong.clone(), wrong.clone(), wrong, refunded("12.49", "EUR")]).await;
    let _app = TestApp::spawn(&pool, &provider.url);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "held").await;
    cancel(&pool, "order-1", "12.50").await;
    until(&pool, "order-1", "refunded").await;
    let last = provider.seen().pop().unwrap();
    assert_eq!(last.path, "/charges/ch_1/refund");
    assert_eq!(told(&pool, "order-1").await, ["payment_refunded"]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_refund_of_another_amount_is_no_refund_and_is_held(pool: PgPool) {
    let provider = Provider::start(vec![charged("12.50", "EUR"), refunded("1.00", "EUR")]).await;
    let _app = TestApp::spawn(&pool, &provider.url);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
    cancel(&pool, "order-1", "12.50").await;
    until(&pool, "order-1", "held").await;
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_provider_that_wants_to_be_left_alone_is(pool: PgPool) {
    let replies = vec![is("429 Too Many Requests", "retry-after: 2\r\n", ""), charged("12.50", "EUR")];
    let provider = Provider::start(replies).await;
    let _app = TestApp::spawn(&pool, &provider.url);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
    let seen = provider.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(1900), "{seen:?}");
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn no_more_calls_are_under_way_than_the_setting_allows(pool: PgPool) {
    let provider = Provider::start(vec![Reply::Silence]).await;
    for number in 0..6 {
        request(&pool, &format!("order-{number}"), "1.00", "tok_ok").await;
    }
    let settings = [
        ("APP__WORKER__CONCURRENCY", "2"),
        ("APP__WORKER__DEADLINE_MS", "1500"),
        ("APP__WORKER__LEASE_MS", "9000"),
    ];
    let _app = TestApp::spawn_with(&pool, &provider.url, &settings);
    eventually("the first calls are over", SOON, async || (provider.seen().len() >= 4).then_some(())).await;
    let seen = provider.seen();
    let apart = seen[2].at - seen[1].at;
    assert!(apart >= Duration::from_secs(1), "the third call came {apart:?} after the second");
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_payment_without_an_outcome_is_a_problem_after_its_time(pool: PgPool) {
    let provider = Provider::start(vec![is("500 Internal Server Error", "", "")]).await;
    let app = TestApp::spawn_with(&pool, &provider.url, &[("APP__WORKER__OVERDUE_SECONDS", "1")]);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    eventually("the payment is a problem, and says why", SOON, async || {
        let status = app.see("/api/v1/payments/status").await;
        status["problems"][0].as_str()?.contains("the provider answered 500").then_some(())
    })
    .await;
    eventually("readiness shows it, too", SOON, async || {
        let ready = app.request(Method::GET, "/health/ready").send().await.unwrap().text().await.unwrap();
        ready.contains(r#""no_payments_without_an_outcome":"failing""#).then_some(())
    })
    .await;
    assert_eq!(state_of(&pool, "order-1").await.as_deref(), Some("requested"));
}
