//! A price change that cannot be handled: what waits behind it, and what an operator does about it.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Vhost, eventually, token, vhost};

use crate::{
    announced::{add, announce, change, spawn, taken_in},
    app::{SOON, TestApp, app_url, problem},
};

const WAITING: &str = "/api/v1/inbox/waiting";

/// Has alerts of a product fail.
async fn break_alerts(pool: &PgPool, product: i64) {
    let text = format!(
        "create function fail() returns trigger language plpgsql as $$ begin raise 'broken'; end $$;
         create trigger fail before insert on alert for each row when (new.product_id = {product})
             execute function fail()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(pool).await.unwrap();
}

async fn repair_alerts(pool: &PgPool) {
    sqlx::raw_sql("drop function fail cascade").execute(pool).await.unwrap();
}

/// A service that consumes, with two products in a cart, of which the first cannot be changed.
async fn set(pool: &PgPool) -> (TestApp, Vhost) {
    let vhost = vhost().await;
    let app = spawn(pool, &vhost).await;
    for product in 1..=2 {
        let new = add(product, "10.00");
        announce(&vhost, &new).await;
        assert!(taken_in(pool, &new).await);
        app.fill("alice", product, 1).await;
    }
    break_alerts(pool, 1).await;
    (app, vhost)
}

/// The new prices that alice was alerted of, the first one first.
async fn alerted(app: &TestApp) -> Vec<String> {
    let alerts = app.alerts("alice").await;
    let alerts = alerts["data"].as_array().unwrap().iter().rev();
    alerts.map(|alert| alert["newPrice"].as_str().unwrap().to_owned()).collect()
}

async fn until_alerted(app: &TestApp, expected: &[&str]) {
    eventually("the alerts are raised", 3 * SOON, async || {
        (alerted(app).await.len() >= expected.len()).then_some(())
    })
    .await;
    assert_eq!(alerted(app).await, expected);
}

async fn until_waiting(pool: &PgPool, count: i64) {
    eventually(&format!("{count} events wait"), SOON, async || {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from inbox_waiting").fetch_one(pool).await.unwrap();
        (waiting == count).then_some(())
    })
    .await;
}

async fn ask(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> reqwest::Response {
    let request = app.request(method, path).bearer_auth(token("olga", "ops"));
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send().await.unwrap()
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_buyer_is_alerted_of_every_price_change_in_order_through_failures(pool: PgPool) {
    let (app, vhost) = set(&pool).await;
    for (version, old, new) in [(2, "10.00", "11.00"), (3, "11.00", "12.00"), (4, "12.00", "13.00")] {
        announce(&vhost, &change(1, old, new, version)).await;
    }
    announce(&vhost, &change(2, "10.00", "20.00", 2)).await;
    until_alerted(&app, &["20.00"]).await;
    until_waiting(&pool, 3).await;
    repair_alerts(&pool).await;
    until_alerted(&app, &["20.00", "11.00", "12.00", "13.00"]).await;
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "13.00");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_new_name_does_not_wait_behind_a_price(pool: PgPool) {
    let (app, vhost) = set(&pool).await;
    announce(&vhost, &change(1, "10.00", "11.00", 2)).await;
    until_waiting(&pool, 1).await;
    let renamed = json!({"productId": 1, "name": "Renamed", "pictureUrl": "/renamed", "version": 3});
    let renamed = crate::announced::message("shop.catalog.product_changed.v1", 1, 3, &renamed);
    announce(&vhost, &renamed).await;
    assert!(taken_in(&pool, &renamed).await);
    assert_eq!(app.see("alice").await["items"][0]["productName"], "Renamed");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_operator_sees_a_key_that_waits_and_requeues_or_skips_it(pool: PgPool) {
    let (app, vhost) = set(&pool).await;
    let first = change(1, "10.00", "11.00", 2);
    for event in [&first, &change(1, "11.00", "12.00", 3), &change(1, "12.00", "13.00", 4)] {
        announce(&vhost, event).await;
    }
    until_waiting(&pool, 3).await;
    sqlx::query(
        "update inbox_waiting set blocked_at = now(), next_attempt_at = null where event_id = $1::uuid",
    )
    .bind(first["id"].as_str().unwrap())
    .execute(&pool)
    .await
    .unwrap();
    let page: Value = ask(&app, Method::GET, WAITING, None).await.json().await.unwrap();
    assert_eq!((&page["count"], &page["pageSize"]), (&json!(1), &json!(20)), "{page}");
    let key = &page["data"][0];
    assert_eq!((&key["key"], &key["eventId"], &key["behind"]), (&json!("1"), &first["id"], &json!(2)));
    assert!(key["reason"].as_str().unwrap().contains("broken"), "{key}");
    assert!(key["blockedAt"].is_string() && key["nextAttemptAt"].is_null(), "{key}");
    let status: Value = ask(&app, Method::GET, "/api/v1/inbox/status", None).await.json().await.unwrap();
    assert_eq!(status["waiting"], json!({"events": 3, "blockedKeys": 1}));
    eventually("readiness and metrics say so", SOON, async || {
        let ready: Value =
            app.request(Method::GET, "/health/ready").send().await.unwrap().json().await.unwrap();
        let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        (ready["checks"]["no_blocked_keys"] == "failing"
            && metrics.contains("inbox_blocked_keys{consumer=\"basket\"} 1"))
        .then_some(())
    })
    .await;

    let skip = format!("{WAITING}/skip");
    for wrong in [
        json!({"key": "1"}),
        json!({"key": "1", "reason": " "}),
        json!({"reason": "a test"}),
        json!({"key": "1", "all": true, "reason": "a test"}),
        json!({"key": "1", "reason": "a test", "more": 1}),
    ] {
        let answer = ask(&app, Method::POST, &skip, Some(wrong.clone())).await;
        assert_eq!(answer.status(), 400, "{wrong}");
        problem(answer).await;
    }
    let unknown = json!({"key": "2", "reason": "a test"});
    assert_eq!(ask(&app, Method::POST, &skip, Some(unknown)).await.status(), 404);
    let dry = json!({"type": first["type"], "reason": "a test", "dryRun": true});
    let counted: Value = ask(&app, Method::POST, &skip, Some(dry)).await.json().await.unwrap();
    assert_eq!(counted, json!({"count": 1, "dryRun": true}));
    let by_type = json!({"type": first["type"], "reason": "a test"});
    let skipped: Value = ask(&app, Method::POST, &skip, Some(by_type)).await.json().await.unwrap();
    assert_eq!(skipped, json!({"count": 1, "dryRun": false}));
    let kept: (String, String) =
        sqlx::query_as("select skipped_by, skip_reason from inbox where skipped_at is not null")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(kept, ("olga".to_owned(), "a test".to_owned()));

    repair_alerts(&pool).await;
    let requeue = format!("{WAITING}/requeue");
    let answer = ask(&app, Method::POST, &requeue, Some(json!({"all": true}))).await;
    assert_eq!(answer.status(), 200);
    until_alerted(&app, &["12.00", "13.00"]).await;
    assert_eq!(ask(&app, Method::POST, &requeue, Some(json!({"key": "1"}))).await.status(), 404);
    for (method, path) in
        [(Method::GET, WAITING), (Method::POST, requeue.as_str()), (Method::POST, skip.as_str())]
    {
        let answer = app.request(method, path).bearer_auth(token("alice", "")).json(&json!({"all": true}));
        assert_eq!(answer.send().await.unwrap().status(), 403, "{path}");
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_command_line_lists_requeues_and_skips_keys_that_wait(pool: PgPool) {
    let (app, vhost) = set(&pool).await;
    announce(&vhost, &change(1, "10.00", "11.00", 2)).await;
    announce(&vhost, &change(1, "11.00", "12.00", 3)).await;
    until_waiting(&pool, 2).await;
    let url = app_url(&pool);
    let run = async |arguments: &'static [&'static str]| {
        let url = url.clone();
        let output = tokio::task::spawn_blocking(move || {
            Command::new(env!("CARGO_BIN_EXE_basket-api"))
                .arg("waiting")
                .args(arguments)
                .env("APP__MODE", "development")
                .env("APP__DATABASE__URL", url)
                .output()
                .unwrap()
        });
        let output = output.await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, errors) = run(&["list"]).await;
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("1 behind: ") && out.contains("broken") && out.ends_with("1 of 1\n"), "{out}");
    let (code, out, _) = run(&["list", "--json", "--key", "1"]).await;
    let key: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &key["behind"]), (Some(0), &json!(1)));
    assert_eq!(run(&["list", "--blocked"]).await.1, "0 of 0\n");
    assert_eq!(run(&["skip", "--all", "--reason", "a test", "--dry-run"]).await.1, "would skip 1\n");
    assert_ne!(run(&["skip", "--all"]).await.0, Some(0), "a reason is needed");
    assert_ne!(run(&["requeue"]).await.0, Some(0), "all of them only with --all");
    let (code, _, errors) = run(&["requeue", "--key", "9"]).await;
    assert!(code != Some(0) && errors.contains("no such key waits"), "{errors}");
    let (_, out, errors) = run(&["skip", "--key", "1", "--reason", "a test", "--by", "olga"]).await;
    assert_eq!(out, "skip: 1\n", "{errors}");
    repair_alerts(&pool).await;
    assert_eq!(run(&["requeue", "--all"]).await.0, Some(0));
    until_alerted(&app, &["12.00"]).await;
}
