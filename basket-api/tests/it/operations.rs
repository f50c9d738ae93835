//! What an operator sees of the inbox and the queues, and does about dead letters.

use lapin::{BasicProperties, types::AMQPValue};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Vhost, eventually, expired_token, token};

use crate::{
    announced::{add, announce, change, properties, spawn, taken_in},
    app::{SOON, Setup, TestApp, problem},
};

const LETTERS: &str = "/api/v1/inbox/dead-letters";

async fn ask(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> reqwest::Response {
    let request = app.request(method, path).bearer_auth(token("olga", "ops"));
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send().await.unwrap()
}

async fn status(app: &TestApp) -> Value {
    let answer = ask(app, Method::GET, "/api/v1/inbox/status", None).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Waits until there are so many dead letters.
async fn letters(app: &TestApp, count: u64) -> Vec<Value> {
    eventually(&format!("{count} dead letters"), SOON, async || {
        let answer = ask(app, Method::GET, LETTERS, None).await;
        assert_eq!(answer.status(), 200);
        let letters: Value = answer.json().await.unwrap();
        (letters["count"] == count).then(|| letters["data"].as_array().unwrap().clone())
    })
    .await
}

/// Puts a good event where bad ones go, as a subscriber with a bug would have.
async fn dead_letter(vhost: &Vhost, event: &Value) {
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("x-reason".into(), AMQPValue::LongString("a bug, repaired by now".into()));
    let properties = properties().with_message_id(event["id"].as_str().unwrap().into()).with_headers(headers);
    vhost.publish("", "basket.events.dead", event.to_string().as_bytes(), properties).await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_dead_letter_is_shown_with_its_reason_and_handled_when_it_is_replayed(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 1).await;
    let change = change(1, "10.00", "12.50", 2);
    dead_letter(&vhost, &change).await;

    let letter = letters(&app, 1).await.remove(0);
    assert_eq!((&letter["eventId"], &letter["id"]), (&change["id"], &change["id"]));
    assert_eq!(letter["reason"], "a bug, repaired by now");
    let path = format!("{LETTERS}/{}/replay", letter["id"].as_str().unwrap());
    let replayed = ask(&app, Method::POST, &path, None).await;
    assert_eq!(replayed.status(), 200);
    assert!(taken_in(&pool, &change).await);
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "12.50");
    letters(&app, 0).await;
    let again = ask(&app, Method::POST, &path, None).await;
    assert_eq!(again.status(), 404);
    problem(again).await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn poison_is_discarded_with_a_reason_and_only_with_one(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let app = spawn(&pool, &vhost).await;
    let key = "shop.catalog.product_price_changed.v1";
    vhost.publish("shop.events", key, b"<script>", BasicProperties::default()).await;
    let letter = letters(&app, 1).await.remove(0);
    assert!(letter["reason"].as_str().unwrap().contains("not a CloudEvents event"), "{letter}");
    assert_eq!((&letter["body"], &letter["eventType"]), (&json!("<script>"), &json!(key)));
    let path = format!("{LETTERS}/{}/discard", letter["id"].as_str().unwrap());
    for body in [json!({}), json!({"reason": " "}), json!({"reason": "x".repeat(501)})] {
        assert_eq!(ask(&app, Method::POST, &path, Some(body)).await.status(), 400);
    }
    letters(&app, 1).await;
    let discarded = ask(&app, Method::POST, &path, Some(json!({"reason": "a test"}))).await;
    assert_eq!(discarded.status(), 200);
    letters(&app, 0).await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn dead_letters_are_decided_about_by_reason_type_and_key_and_counted_first(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let app = spawn(&pool, &vhost).await;
    for product in 1..=3 {
        let new = add(product, "10.00");
        announce(&vhost, &new).await;
        taken_in(&pool, &new).await;
    }
    // Each is a change that the basket has not had, dead-lettered by a bug that is repaired.
    let changes: Vec<Value> = (1..=3).map(|product| change(product, "10.00", "12.50", 2)).collect();
    for change in &changes {
        dead_letter(&vhost, change).await;
    }
    let key = "shop.catalog.product_price_changed.v1";
    vhost.publish("shop.events", key, b"<script>", BasicProperties::default()).await;
    letters(&app, 4).await;
    let order = async |action: &str, body: Value| {
        let answer = ask(&app, Method::POST, &format!("{LETTERS}/{action}"), Some(body)).await;
        assert_eq!(answer.status(), 200, "{action}");
        let progress: Value = answer.json().await.unwrap();
        assert_eq!(progress["more"], false, "{progress}");
        (progress["matched"].as_u64().unwrap(), progress["done"].as_u64().unwrap())
    };
    let bug = json!({"reason": "a bug, repaired"});
    for (which, matched) in [
        (json!({"all": true}), 4),
        (bug.clone(), 3),
        (json!({"eventType": key}), 4),
        (json!({"key": "2"}), 1),
        (json!({"key": "2", "reason": "not a CloudEvents event"}), 0),
    ] {
        for action in ["replay", "discard"] {
            let dry_run = json!({"which": which, "dryRun": true});
            assert_eq!(order(action, dry_run).await, (matched, 0), "{which}");
        }
    }
    letters(&app, 4).await;
    assert_eq!(order("replay", json!({"which": {"key": "2"}})).await, (1, 1));
    assert!(taken_in(&pool, &changes[1]).await);
    assert_eq!(order("replay", json!({"which": bug})).await, (2, 2));
    for change in [&changes[0], &changes[2]] {
        assert!(taken_in(&pool, change).await);
    }
    for body in [
        json!({"which": {}, "why": "a test"}),
        json!({"which": {"all": true}}),
        json!({"which": {"all": true}, "why": " "}),
        json!({"which": {"all": true}, "why": "a test", "limit": 0}),
        json!({"which": {"all": true}, "why": "a test", "limit": 1_001}),
        json!({"which": {"colour": "red"}, "why": "a test"}),
    ] {
        let answer = ask(&app, Method::POST, &format!("{LETTERS}/discard"), Some(body.clone())).await;
        assert_eq!(answer.status(), 400, "{body}");
    }
    letters(&app, 1).await;
    assert_eq!(order("discard", json!({"which": {"all": true}, "why": "a test"})).await, (1, 1));
    letters(&app, 0).await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_status_counts_what_came_and_what_came_of_it(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let app = spawn(&pool, &vhost).await;
    let before = status(&app).await;
    assert_eq!((&before["connected"], &before["queues"]["consumers"]), (&json!(true), &json!(1)), "{before}");
    assert_eq!((&before["alertsRaised"], &before["problems"]), (&json!(0), &json!([])), "{before}");
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 1).await;
    let newest = change(1, "10.00", "15.00", 3);
    for event in [&newest, &newest, &change(1, "10.00", "12.50", 2)] {
        announce(&vhost, event).await;
    }
    let expected = json!({"first": 3, "redeliveredKnown": 0, "repeated": 1, "stale": 0, "waiting": 0});
    let after = eventually("all is counted", SOON, async || {
        let status = status(&app).await;
        // The figures of one answer are read one after the other.
        (status["receipts"] == expected && status["alertsRaised"] == 2).then_some(status)
    })
    .await;
    assert_eq!(after["waiting"]["events"], 0, "{after}");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn while_the_broker_is_away_the_status_says_so_and_shows_the_rest(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let status = status(&app).await;
    assert_eq!((&status["connected"], &status["queues"]), (&json!(false), &Value::Null), "{status}");
    assert_eq!(status["alertsRaised"], 0);
    assert!(status["problems"][0].as_str().unwrap().contains("broker"), "{status}");
    let answer = ask(&app, Method::GET, LETTERS, None).await;
    assert_eq!(answer.status(), 503);
    problem(answer).await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_operators_routes_are_for_operators(pool: PgPool) {
    let app = Setup::of(&pool).spawn();
    let routes = [
        (Method::GET, "/api/v1/inbox/status".to_owned()),
        (Method::GET, LETTERS.to_owned()),
        (Method::POST, format!("{LETTERS}/1/replay")),
        (Method::POST, format!("{LETTERS}/1/discard")),
        (Method::POST, format!("{LETTERS}/replay")),
        (Method::POST, format!("{LETTERS}/discard")),
        (Method::POST, "/api/v1/inbox/waiting/requeue".to_owned()),
        (Method::POST, "/api/v1/inbox/waiting/skip".to_owned()),
    ];
    for (method, path) in routes {
        let send = async |token: Option<String>| {
            let request = app.request(method.clone(), &path).json(&json!({"reason": "a test"}));
            let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            problem(answer).await;
            status
        };
        assert_eq!(send(None).await, 401, "{path}");
        assert_eq!(send(Some(expired_token("olga", "ops"))).await, 401, "{path}");
        for scope in ["", "catalog:write", "op ops:read"] {
            assert_eq!(send(Some(token("alice", scope))).await, 403, "{path} with {scope:?}");
        }
    }
    for limit in ["0", "101", "-1", "many"] {
        let answer = ask(&app, Method::GET, &format!("{LETTERS}?limit={limit}"), None).await;
        assert_eq!(answer.status(), 400, "{limit}");
    }
}
