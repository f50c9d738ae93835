//! The process is killed at each point of a payment's way: at most one charge, and its outcome is announced once.
#![cfg(feature = "crash-points")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use lapin::BasicProperties;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Process, Vhost, app_url, beside_this_program, vhost};
use uuid::Uuid;

use crate::app::{ledger, requested, told, until};

/// Processes on a database and a virtual host of their own.
struct Shop {
    pool: PgPool,
    vhost: Vhost,
    sandbox: Process,
    ledger: tempfile::TempDir,
}

fn start(binary: &'static str, settings: &[(&str, &str)]) -> Process {
    let mut command = Command::new(beside_this_program(binary).unwrap());
    let usual = [
        ("APP__MODE", "development"),
        ("APP__HTTP__PORT", "0"),
        ("APP__HTTP__REQUEST_TIMEOUT_MS", "3600000"),
        ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
    ];
    command.env_clear().envs(usual).envs(settings.iter().copied());
    Process::start(binary, command)
}

fn start_sandbox(ledger: &Path, port: &str) -> Process {
    let path = ledger.join("ledger.jsonl").display().to_string();
    start("payment-sandbox", &[("APP__LEDGER__PATH", &path), ("APP__HTTP__PORT", port)])
}

impl Shop {
    async fn set_up(pool: &PgPool) -> Self {
        let vhost = vhost().await;
        let ledger = tempfile::tempdir().unwrap();
        let sandbox = start_sandbox(ledger.path(), "0");
        Self { pool: pool.clone(), vhost, sandbox, ledger }
    }

    async fn start(&self, point: Option<&str>) -> Process {
        let database = app_url(&self.pool, "payment_app");
        let mut settings = vec![
            ("APP__DATABASE__URL", database.as_str()),
            ("APP__BROKER__URL", &self.vhost.url),
            ("APP__PROVIDER__URL", &self.sandbox.url),
            ("APP__WORKER__DEADLINE_MS", "1000"),
            ("APP__WORKER__LEASE_MS", "6000"),
            ("APP__WORKER__POLL_MS", "100"),
        ];
        settings.extend(point.map(|point| ("CRASH_POINT", point)));
        let process = start("payment-processor", &settings);
        process.until_ready(true).await;
        process
    }

    /// Announces an event of an order, as ordering's relay would.
    async fn announce(&self, name: &str, order: &str, version: i64, payload: &Value) {
        let event_type = format!("shop.ordering.{name}.v1");
        let message = json!({
            "specversion": "1.0", "id": Uuid::now_v7(), "source": "/ordering", "type": event_type,
            "subject": order, "time": chrono::Utc::now().to_rfc3339(), "datacontenttype": "application/json",
            "partitionkey": order, "sequence": version.to_string(), "data": payload,
        });
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(2);
        self.vhost.publish("shop.events", &event_type, message.to_string().as_bytes(), properties).await;
    }
}

async fn killed_at(pool: PgPool, point: &str) {
    let shop = Shop::set_up(&pool).await;
    let mut doomed = shop.start(Some(point)).await;
    shop.announce("payment_requested", "order-1", 1, &requested("order-1", "12.50", "tok_ok")).await;
    assert_eq!(doomed.ended().await.signal(), Some(9), "killed at {point}");

    let _again = shop.start(None).await;
    until(&pool, "order-1", "succeeded").await;
    let charges = ledger(&shop.sandbox.url).await;
    assert_eq!(charges.len(), 1, "after {point}: {charges:?}");
    assert_eq!((&charges[0]["amount"], &charges[0]["refunded"]), (&json!("12.50"), &json!(false)));
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"], "after {point}");
}

/// The same while a refund is made.
async fn killed_refunding_at(pool: PgPool, point: &str) {
    let shop = Shop::set_up(&pool).await;
    let first = shop.start(None).await;
    shop.announce("payment_requested", "order-1", 1, &requested("order-1", "12.50", "tok_ok")).await;
    until(&pool, "order-1", "succeeded").await;
    drop(first);
    let mut doomed = shop.start(Some(point)).await;
    shop.announce("payment_cancelled", "order-1", 2, &requested("order-1", "12.50", "tok_ok")).await;
    assert_eq!(doomed.ended().await.signal(), Some(9), "killed at {point}");

    let _again = shop.start(None).await;
    until(&pool, "order-1", "refunded").await;
    let charges = ledger(&shop.sandbox.url).await;
    assert_eq!(charges.len(), 1, "after {point}: {charges:?}");
    assert_eq!(charges[0]["refunded"], true);
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded", "payment_refunded"], "after {point}");
}

macro_rules! killed {
    ($($name:ident: $how:ident($point:literal);)*) => {
        $(
            #[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
            async fn $name(pool: PgPool) {
                $how(pool, $point).await;
            }
        )*
    };
}

killed! {
    killed_with_the_row_of_work_written_there_is_one_charge: killed_at("payment.row_written");
    killed_before_the_provider_is_asked_there_is_one_charge: killed_at("payment.before_call");
    killed_after_the_charge_and_before_its_outcome_there_is_one_charge: killed_at("payment.after_charge");
    killed_after_the_outcome_there_is_one_charge: killed_at("payment.after_commit");
    killed_before_the_refund_there_is_one_refund: killed_refunding_at("payment.before_call");
    killed_after_the_refund_and_before_its_outcome_there_is_one_refund: killed_refunding_at("payment.after_charge");
}

#[sqlx::test(migrator = "payment_processor::MIGRATIONS")]
async fn a_provider_that_is_killed_after_a_charge_knows_it_when_it_is_back(pool: PgPool) {
    let mut shop = Shop::set_up(&pool).await;
    let _payment = shop.start(None).await;
    shop.announce("payment_requested", "order-1", 1, &requested("order-1", "12.50", "tok_timeout")).await;
    test_kit::eventually("the charge is made", crate::app::SOON, async || {
        (!ledger(&shop.sandbox.url).await.is_empty()).then_some(())
    })
    .await;
    shop.sandbox.signal(test_kit::Signal::KILL);
    shop.sandbox.ended().await;
    let port = shop.sandbox.url.rsplit(':').next().unwrap().to_owned();
    shop.sandbox = start_sandbox(shop.ledger.path(), &port);
    until(&pool, "order-1", "succeeded").await;
    assert_eq!(ledger(&shop.sandbox.url).await.len(), 1);
    assert_eq!(told(&pool, "order-1").await, ["payment_succeeded"]);
}
