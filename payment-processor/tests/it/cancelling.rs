//! Orders that are cancelled before, while and after the provider charges them.

use sqlx::PgPool;
use test_kit::eventually;

use crate::app::{SOON, Sandbox, TestApp, cancel, request, state_of, told, until};

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_cancellation_that_comes_before_the_request_is_remembered(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    cancel(&pool, "order-1", "12.50").await;
    request(&pool, "order-1", "12.50", "tok_ok").await;
    request(&pool, "order-2", "12.50", "tok_ok").await;
    until(&pool, "order-2", "succeeded").await;
    assert_eq!(state_of(&pool, "order-1").await.as_deref(), Some("cancelled"));
    assert_eq!(sandbox.ledger("order-1").await, []);
    assert_eq!(told(&pool, "order-1").await, Vec::<String>::new());
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_payment_that_was_not_begun_is_never_charged_once_it_is_cancelled(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    cancel(&pool, "order-1", "12.50").await;
    request(&pool, "order-2", "12.50", "tok_ok").await;
    let _app = TestApp::spawn(&pool, &sandbox.url());
    until(&pool, "order-2", "succeeded").await;
    assert_eq!(state_of(&pool, "order-1").await.as_deref(), Some("cancelled"));
    assert_eq!(sandbox.ledger("order-1").await, []);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_charge_is_refunded_once_when_its_order_is_cancelled(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
    for _ in 0..2 {
        cancel(&pool, "order-1", "12.50").await;
        until(&pool, "order-1", "refunded").await;
    }
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded", "payment_refunded"]);
    request(&pool, "order-1", "12.50", "tok_ok").await;
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), true)]);
    assert_eq!(told(&pool, "order-1").await.last().map(String::as_str), Some("payment_refunded"));
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn what_is_charged_while_the_order_is_cancelled_is_refunded(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    for token in ["tok_slow", "tok_timeout"] {
        request(&pool, token, "12.50", token).await;
        eventually("the sandbox has charged and not answered", SOON, async || {
            (!sandbox.ledger(token).await.is_empty()).then_some(())
        })
        .await;
        assert_eq!(state_of(&pool, token).await.as_deref(), Some("requested"));
        cancel(&pool, token, "12.50").await;
        until(&pool, token, "refunded").await;
        assert_eq!(sandbox.ledger(token).await, [("12.50".to_owned(), true)]);
        assert_eq!(told(&pool, token).await, ["payment_refunded"], "an order that is cancelled is not paid");
    }
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_cancelled_payment_that_had_failed_stays_failed(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_declined").await;
    until(&pool, "order-1", "failed").await;
    cancel(&pool, "order-1", "12.50").await;
    assert_eq!(state_of(&pool, "order-1").await.as_deref(), Some("failed"));
    assert_eq!(told(&pool, "order-1").await, ["payment_failed"]);
}
