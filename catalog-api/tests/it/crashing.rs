//! The real program, killed by SIGKILL at each of its crash points.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use service_kit::auth::DEVELOPMENT_SECRET;
use sqlx::PgPool;
use test_kit::token;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::app::{App, log_of};

/// The program on the database of `pool`, which dies at the named point; and where it listens.
async fn start(pool: &PgPool, crash_point: &str) -> (Child, String) {
    let options = pool.connect_options();
    let database = options.get_database().expect("a database").to_owned();
    let server = std::env::var("DATABASE_URL").expect("DATABASE_URL: run the tests with `cargo shop test`");
    let (server, _) = server.rsplit_once('/').expect("a URL with a database");
    let mut child = Command::new(env!("CARGO_BIN_EXE_catalog-api"))
        .env("APP__MODE", "development")
        .env("APP__AUTH__SECRET", DEVELOPMENT_SECRET)
        .env("APP__DATABASE__URL", format!("{server}/{database}"))
        .env("APP__HTTP__PORT", "0")
        .env("APP__LOG__FORMAT", "json")
        .env("CRASH_POINT", crash_point)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program");
    let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
            if let Some(address) = line["address"].as_str() {
                return address.to_owned();
            }
        }
        panic!("the program ended before it listened");
    };
    let address = tokio::time::timeout(Duration::from_secs(20), listening).await.expect("listening in time");
    // Read on, so that the program never waits for its reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

/// Changes the price of product 1 at the program, which dies of it.
async fn change_price_and_die(pool: &PgPool, crash_point: &str) {
    let (mut child, address) = start(pool, crash_point).await;
    let request = reqwest::Client::new()
        .put(format!("http://{address}/api/v1/catalog/items/1/price"))
        .bearer_auth(token("olga", "catalog:write"))
        .header("idempotency-key", "the-only-one")
        .json(&json!({"price": "2.00"}));
    let answer = request.send().await;
    assert!(
        answer.is_err(),
        "{crash_point}: the program answered {:?}",
        answer.map(|answer| answer.status())
    );
    let status =
        tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("dead").expect("waited");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{crash_point}");
}

#[sqlx::test]
async fn killed_before_its_commit_a_change_and_its_event_are_both_not_there(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    assert_eq!(app.product_priced_at("1.00").await, 1);
    for point in ["catalog.before_transaction", "catalog.before_log_row", "catalog.before_commit"] {
        change_price_and_die(&pool, point).await;
        assert_eq!((app.price_of(1).await.as_str(), log_of(&pool).await.len()), ("1.00", 1), "{point}");
    }
    // The client does not know, and sends it again: now it happens, once.
    let again = app.write(reqwest::Method::PUT, "/items/1/price").header("idempotency-key", "the-only-one");
    let again = again.json(&json!({"price": "2.00"})).send().await.expect("an answer");
    assert_eq!(again.status(), 200);
    assert!(again.headers().get("idempotency-replayed").is_none());
    assert_eq!((app.price_of(1).await.as_str(), log_of(&pool).await.len()), ("2.00", 2));
}

#[sqlx::test]
async fn killed_after_its_commit_a_change_and_its_event_are_both_there(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    assert_eq!(app.product_priced_at("1.00").await, 1);
    change_price_and_die(&pool, "catalog.after_commit").await;
    let log = log_of(&pool).await;
    assert_eq!((app.price_of(1).await.as_str(), log.len()), ("2.00", 2));
    // The client has had no answer, and sends it again: it gets the answer, and nothing happens twice.
    let again = app.write(reqwest::Method::PUT, "/items/1/price").header("idempotency-key", "the-only-one");
    let again = again.json(&json!({"price": "2.00"})).send().await.expect("an answer");
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()["event-id"], log[1].event_id.as_str());
    assert_eq!(log_of(&pool).await, log);
}
