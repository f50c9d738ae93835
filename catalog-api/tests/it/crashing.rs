//! The real program, killed by SIGKILL at each of its crash points.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use test_kit::{eventually, token};

use crate::app::{App, log_of};
use crate::program::{program, serve};

/// Changes the price of product 1 at the program, which dies of it.
async fn change_price_and_die(pool: &PgPool, crash_point: &str) {
    let mut command = program(pool);
    command.env("CRASH_POINT", crash_point);
    let (mut child, address, _log) = serve(command).await;
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
    assert_eq!(status.signal(), Some(9), "{crash_point}");
}

/// Updates of products and inserts into the log so far, also those that were rolled back. A session reports its
/// counts before it leaves `pg_stat_activity`.
async fn written_rows(pool: &PgPool) -> (i64, i64) {
    eventually("the program's sessions have ended", Duration::from_secs(20), async || {
        let sessions = "select count(*) from pg_stat_activity
                         where datname = current_database() and application_name = 'catalog-api'";
        let open: i64 = sqlx::query_scalar(sessions).fetch_one(pool).await.expect("sessions");
        (open == 0).then_some(())
    })
    .await;
    let counts = "select (select n_tup_upd from pg_stat_user_tables where relname = 'product'),
                         (select n_tup_ins from pg_stat_user_tables where relname = 'integration_event_log')";
    sqlx::query_as(counts).fetch_one(pool).await.expect("counts")
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn killed_before_its_commit_a_change_and_its_event_are_both_not_there(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    assert_eq!(app.product_priced_at("1.00").await, 1);
    // A session that goes on reports its counts late: here the test's own, of the new product.
    eventually("the new product is counted", Duration::from_secs(30), async || {
        (written_rows(&pool).await == (0, 1)).then_some(())
    })
    .await;
    for (point, written) in [
        ("catalog.before_transaction", (0, 1)),
        ("catalog.before_log_row", (1, 1)),
        ("catalog.before_commit", (2, 2)),
    ] {
        change_price_and_die(&pool, point).await;
        assert_eq!(written_rows(&pool).await, written, "{point}: rows that its transaction has written");
        assert_eq!((app.price_of(1).await.as_str(), log_of(&pool).await.len()), ("1.00", 1), "{point}");
    }
    // The client does not know, and sends it again: now it happens, once. Until the database has seen
    // that the killed one is gone, it counts as running.
    let again = eventually("the killed one is gone", Duration::from_secs(10), async || {
        let request = app.write(Method::PUT, "/items/1/price").header("idempotency-key", "the-only-one");
        let answer = request.json(&json!({"price": "2.00"})).send().await.expect("an answer");
        (answer.status() != 409).then_some(answer)
    })
    .await;
    assert_eq!(again.status(), 200);
    assert!(again.headers().get("idempotency-replayed").is_none());
    assert_eq!((app.price_of(1).await.as_str(), log_of(&pool).await.len()), ("2.00", 2));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn killed_after_its_commit_a_change_and_its_event_are_both_there(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    assert_eq!(app.product_priced_at("1.00").await, 1);
    change_price_and_die(&pool, "catalog.after_commit").await;
    let log = log_of(&pool).await;
    assert_eq!((app.price_of(1).await.as_str(), log.len()), ("2.00", 2));
    // The client has had no answer, and sends it again: it gets the answer, and nothing happens twice.
    let again = app.write(Method::PUT, "/items/1/price").header("idempotency-key", "the-only-one");
    let again = again.json(&json!({"price": "2.00"})).send().await.expect("an answer");
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()["event-id"], log[1].event_id.as_str());
    assert_eq!(log_of(&pool).await, log);
}
