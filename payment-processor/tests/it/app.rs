//! The service under test, the sandbox, and what tests do with them.

use std::{path::Path, time::Duration};

use event_bus::{Handler, Received};
use payment_processor::subscriptions::{CancelPayment, RequestPayment};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Running, app_url, eventually, token};

/// How long anything may take that a test waits for.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The sandbox.
pub(crate) struct Sandbox(Running);

impl Sandbox {
    pub(crate) fn start(ledger: Option<&Path>) -> Self {
        let ledger = ledger.map(|path| path.display().to_string());
        let mut settings = vec![("APP__HTTP__REQUEST_TIMEOUT_MS", "3600000")];
        settings.extend(ledger.as_deref().map(|path| ("APP__LEDGER__PATH", path)));
        Self(Running::start(payment_sandbox::app, &settings))
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// What is charged for an order: amount, and whether it was refunded.
    pub(crate) async fn ledger(&self, order: &str) -> Vec<(String, bool)> {
        let charges = ledger(&self.url()).await;
        let of_order = charges.iter().filter(|charge| charge["orderId"] == order);
        of_order
            .map(|charge| {
                (charge["amount"].as_str().unwrap().to_owned(), charge["refunded"].as_bool().unwrap())
            })
            .collect()
    }
}

/// The charges in the ledger of the sandbox at this address.
pub(crate) async fn ledger(sandbox: &str) -> Vec<Value> {
    let body: Value = reqwest::get(format!("{sandbox}/ledger")).await.unwrap().json().await.unwrap();
    body["charges"].as_array().unwrap().clone()
}

/// The service.
pub(crate) struct TestApp(Running);

impl TestApp {
    /// Starts it with this provider; without a broker.
    pub(crate) fn spawn(pool: &PgPool, provider: &str) -> Self {
        Self::spawn_with(pool, provider, &[])
    }

    pub(crate) fn spawn_with(pool: &PgPool, provider: &str, own: &[(&str, &str)]) -> Self {
        let database = app_url(pool, "payment_app");
        let usual = [
            ("APP__DATABASE__URL", database.as_str()),
            ("APP__BROKER__URL", "amqp://127.0.0.1:1/%2f"),
            ("APP__PROVIDER__URL", provider),
            ("APP__WORKER__POLL_MS", "20"),
            ("APP__WORKER__FIRST_PAUSE_MS", "20"),
            ("APP__WORKER__LONGEST_PAUSE_MS", "100"),
            ("APP__WORKER__DEADLINE_MS", "1000"),
            ("APP__WORKER__LEASE_MS", "6000"),
        ];
        Self(Running::start(payment_processor::app, &[&usual, own].concat()))
    }

    /// An operator's request.
    pub(crate) fn operate(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(token("olga", "ops"))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.0.url()))
    }

    pub(crate) async fn see(&self, path: &str) -> Value {
        let answer = self.operate(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

/// The payload of a request to pay.
pub(crate) fn requested(order: &str, amount: &str, token: &str) -> Value {
    json!({"orderId": order, "buyerId": "alice", "amount": amount, "currency": "EUR", "token": token})
}

fn received<P: DeserializeOwned>(order: &str, data: Value) -> Received<P> {
    Received {
        source: "/ordering".to_owned(),
        ..Received::new(order, 1, serde_json::from_value(data).expect("the payload that the handler reads"))
    }
}

async fn handle<H: Handler>(pool: &PgPool, handler: &H, order: &str, payload: Value) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local role payment_app").execute(&mut *tx).await.unwrap();
    handler.handle(&mut tx, &received(order, payload)).await.unwrap();
    tx.commit().await.unwrap();
}

/// Has the event handled that an order is to be paid.
pub(crate) async fn request(pool: &PgPool, order: &str, amount: &str, token: &str) {
    handle(pool, &RequestPayment, order, requested(order, amount, token)).await;
}

/// Has the event handled that an order is cancelled.
pub(crate) async fn cancel(pool: &PgPool, order: &str, amount: &str) {
    handle(pool, &CancelPayment, order, requested(order, amount, "tok_ok")).await;
}

/// What is announced so far, in order: the event's name and its payload.
pub(crate) async fn announced(pool: &PgPool) -> Vec<(String, Value)> {
    let query = "select event_type, payload::text from integration_event_log order by position";
    let rows: Vec<(String, String)> = sqlx::query_as(query).fetch_all(pool).await.unwrap();
    let name = |event_type: &str| event_type.split('.').nth(2).unwrap().to_owned();
    rows.iter()
        .map(|(event_type, payload)| (name(event_type), serde_json::from_str(payload).unwrap()))
        .collect()
}

/// The names of what is announced of an order.
pub(crate) async fn told(pool: &PgPool, order: &str) -> Vec<String> {
    let all = announced(pool).await;
    all.into_iter().filter(|(_, payload)| payload["orderId"] == order).map(|(name, _)| name).collect()
}

/// Waits until the payment of an order is in this state.
pub(crate) async fn until(pool: &PgPool, order: &str, state: &str) {
    eventually(&format!("the payment of {order} is {state}"), SOON, async || {
        (state_of(pool, order).await.as_deref() == Some(state)).then_some(())
    })
    .await;
}

pub(crate) async fn state_of(pool: &PgPool, order: &str) -> Option<String> {
    let query = sqlx::query_scalar("select state from payment where order_id = $1");
    query.bind(order).fetch_optional(pool).await.unwrap()
}
