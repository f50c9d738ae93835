//! Each token of the sandbox.

use std::time::Duration;

use payment_processor::payments::work::take;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{Sandbox, TestApp, announced, ledger, request, told, until};

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn an_order_is_charged_once_and_its_payment_is_announced(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;

    let (payment, token): (Uuid, Option<String>) =
        sqlx::query_as("select payment_id, token from payment").fetch_one(&pool).await.unwrap();
    assert_eq!(token, None, "the token is gone once it is of no use");
    let charges = ledger(&sandbox.url()).await;
    assert_eq!(charges.len(), 1);
    assert_eq!(charges[0]["idempotencyKey"], payment.to_string());
    assert_eq!((&charges[0]["amount"], &charges[0]["currency"]), (&json!("12.50"), &json!("EUR")));
    let payload = json!({"orderId": "order-1", "paymentId": payment, "amount": "12.50", "currency": "EUR"});
    assert_eq!(announced(&pool).await, [("payment_succeeded".to_owned(), payload)]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_payment_that_is_declined_fails_with_the_providers_reason(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    for (order, token) in [("order-1", "tok_declined"), ("order-2", "tok_of_nobody")] {
        request(&pool, order, "12.50", token).await;
        until(&pool, order, "failed").await;
    }
    let reasons: Vec<Value> =
        announced(&pool).await.iter().map(|(_, payload)| payload["reason"].clone()).collect();
    assert_eq!(reasons, ["card_declined", "unknown_token"]);
    assert_eq!(told(&pool, "order-1").await, ["payment_failed"]);
    assert_eq!(ledger(&sandbox.url()).await, Vec::<Value>::new());
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_slow_answer_is_waited_for(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let settings = [("APP__WORKER__DEADLINE_MS", "8000"), ("APP__WORKER__LEASE_MS", "20000")];
    let _app = TestApp::spawn_with(&pool, &sandbox.url(), &settings);
    request(&pool, "order-1", "12.50", "tok_slow").await;
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(tries(&pool).await, 1);
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), false)]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_charge_that_was_never_answered_is_asked_for_again_and_stays_one_charge(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_timeout").await;
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(tries(&pool).await, 2);
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), false)]);
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_provider_that_fails_twice_charges_once(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_flaky").await;
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(tries(&pool).await, 3);
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), false)]);
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn an_order_has_one_payment_however_often_it_is_asked_for(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    for amount in ["12.50", "12.50", "99.00"] {
        request(&pool, "order-1", amount, "tok_ok").await;
    }
    until(&pool, "order-1", "succeeded").await;
    request(&pool, "order-2", "1.00", "tok_ok").await;
    until(&pool, "order-2", "succeeded").await;
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), false)]);
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn who_asks_again_is_told_again_what_has_come_of_the_payment(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    for (order, token, state) in [("order-1", "tok_ok", "succeeded"), ("order-2", "tok_declined", "failed")] {
        request(&pool, order, "12.50", token).await;
        until(&pool, order, state).await;
        request(&pool, order, "12.50", token).await;
        assert_eq!(told(&pool, order).await, [format!("payment_{state}"), format!("payment_{state}")]);
    }
    let all = announced(&pool).await;
    assert_eq!(all[0], all[1]);
    assert_eq!(all[2], all[3], "the reason as well");
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), false)]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_payment_that_a_restored_database_has_forgotten_is_not_charged_again(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
    sqlx::query("delete from payment").execute(&pool).await.unwrap();
    request(&pool, "order-1", "12.50", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(sandbox.ledger("order-1").await, [("12.50".to_owned(), false)]);
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn what_may_be_a_cards_number_is_not_kept_and_the_payment_fails(pool: PgPool) {
    let long = "t".repeat(10_000);
    for (number, token) in ["4111111111111111", "4111 1111 1111 1111", "", &long].into_iter().enumerate() {
        let order = format!("order-{number}");
        request(&pool, &order, "12.50", token).await;
        assert_eq!(told(&pool, &order).await, ["payment_failed"]);
    }
    let rows: Vec<String> = sqlx::query_scalar(
        "select payment::text from payment union all select payload::text from integration_event_log",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(rows.iter().all(|row| !row.contains("1111") && !row.contains("tttt")), "{rows:?}");
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn two_processes_charge_many_orders_once_each(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let (_one, _other) = (TestApp::spawn(&pool, &sandbox.url()), TestApp::spawn(&pool, &sandbox.url()));
    let tokens = ["tok_ok", "tok_flaky", "tok_timeout", "tok_declined"];
    for number in 0..60 {
        request(&pool, &format!("order-{number}"), "3.00", tokens[number % 4]).await;
    }
    for number in 0..60 {
        let (state, event) =
            if number % 4 == 3 { ("failed", "payment_failed") } else { ("succeeded", "payment_succeeded") };
        let order = format!("order-{number}");
        until(&pool, &order, state).await;
        assert_eq!(told(&pool, &order).await, [event]);
        assert_eq!(sandbox.ledger(&order).await.len(), usize::from(number % 4 != 3), "{order}");
    }
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_new_payment_does_not_wait_behind_those_that_are_never_answered(pool: PgPool) {
    for order in ["hangs", "hangs-longer"] {
        request(&pool, order, "12.50", "tok_ok").await;
    }
    sqlx::query(
        "update payment set tries = 3, due = due - case order_id when 'hangs' then 1 else 2 end * interval '1 minute'",
    )
    .execute(&pool)
    .await
    .unwrap();
    request(&pool, "new", "12.50", "tok_ok").await;
    for order in ["new", "hangs-longer", "hangs"] {
        let taken = take(&pool, 1, Duration::from_mins(1)).await.unwrap();
        assert_eq!(taken[0].order_id.to_string(), order);
    }
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn the_largest_order_can_be_paid(pool: PgPool) {
    let sandbox = Sandbox::start(None);
    let _app = TestApp::spawn(&pool, &sandbox.url());
    request(&pool, "order-1", "999999999999.99", "tok_ok").await;
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(sandbox.ledger("order-1").await, [("999999999999.99".to_owned(), false)]);
}

async fn tries(pool: &PgPool) -> i32 {
    sqlx::query_scalar("select tries from payment").fetch_one(pool).await.unwrap()
}
