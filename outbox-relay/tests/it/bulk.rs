//! Decisions about many failed events, and about scheduled ones.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Relay, Stage};

/// A database that does not answer.
const AWAY: &str = "postgres://nobody@127.0.0.1:1/away";

/// A failed event of each of these keys.
async fn failed(pool: &PgPool, keys: &[&str], event_type: &str) {
    for key in keys {
        sqlx::query(
            "insert into integration_event_log (event_type, key, payload, state, last_error)
             values ($1, $2, '{}', 'PublishedFailed', 'refused')",
        )
        .bind(event_type)
        .bind(key)
        .execute(pool)
        .await
        .unwrap();
    }
}

#[sqlx::test(migrations = false)]
async fn failed_events_are_decided_about_by_type_by_key_and_all_at_once(pool: PgPool) {
    let stage = Stage::set(pool).await;
    failed(&stage.log.pool, &["a", "b", "c"], "shop.test.one.v1").await;
    failed(&stage.log.pool, &["a", "d"], "shop.test.two.v1").await;
    let run = |arguments: &[&str]| {
        let (code, out, err) = stage.relay().output(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {err}");
        serde_json::from_str::<Value>(&out).unwrap()[0].clone()
    };
    let dry = run(&["requeue", "--type", "shop.test.one.v1", "--dry-run"]);
    assert_eq!((&dry["matched"], &dry["changed"]), (&json!(3), &json!(0)));
    assert_eq!(stage.log.count("PublishedFailed").await, 5);
    assert_eq!(run(&["requeue", "--type", "shop.test.one.v1", "--key", "b"])["changed"], 1);
    assert_eq!(run(&["skip", "--key", "a", "--reason", "a wrong import"])["changed"], 2);
    assert_eq!(run(&["requeue", "--all"])["changed"], 2);
    assert_eq!(stage.log.count("NotPublished").await, 3);

    for (arguments, says) in [
        (&["requeue"][..], "required"),
        (&["requeue", "--all", "--type", "x"], "cannot be used with"),
        (&["skip", "--all", "--reason", " "], "give a reason"),
    ] {
        let (code, _, err) = stage.relay().output(arguments);
        assert!(code != 0 && err.contains(says), "{arguments:?}: {code} {err}");
    }
}

#[sqlx::test(migrations = false)]
async fn operators_decide_about_many_failed_events_over_http_and_count_them_first(pool: PgPool) {
    let stage = Stage::set(pool).await;
    // Without their owner these events keep the state that an operator gave them.
    let relay = stage.relay().env("APP__BROKER__URL", "amqp://127.0.0.1:1").start();
    failed(&stage.log.pool, &["a", "b", "c"], "shop.test.one.v1").await;
    failed(&stage.log.pool, &["a", "d"], "shop.test.two.v1").await;
    let post = async |action: &str, body: Value| {
        let answer = relay.post(&format!("/api/v1/outbox/failed/{action}"), &body).await;
        assert_eq!(answer.status(), 200, "{action} {body}");
        let done: Value = answer.json().await.unwrap();
        assert_eq!(done["more"], false, "{done}");
        (done["matched"].as_u64().unwrap(), done["changed"].as_u64().unwrap())
    };
    let one = "shop.test.one.v1";
    assert_eq!(post("requeue", json!({"type": one, "dryRun": true})).await, (3, 0));
    assert_eq!(post("skip", json!({"all": true, "dryRun": true})).await, (5, 0));
    assert_eq!(stage.log.count("PublishedFailed").await, 5, "a dry run changes nothing");
    assert_eq!(post("requeue", json!({"type": one, "key": "b"})).await, (1, 1));
    assert_eq!(post("skip", json!({"key": "a", "reason": " a wrong import "})).await, (2, 2));
    assert_eq!(post("requeue", json!({"all": true})).await, (2, 2));
    assert_eq!(post("requeue", json!({"all": true})).await, (0, 0));
    assert_eq!(stage.log.count("NotPublished").await, 3);
    let skipped: Vec<(String, String)> = sqlx::query_as(
        "select distinct skipped_by, skip_reason from integration_event_log where skipped_at is not null",
    )
    .fetch_all(&stage.log.pool)
    .await
    .unwrap();
    assert_eq!(skipped, [("olga".to_owned(), "a wrong import".to_owned())]);

    for (action, body) in [
        ("requeue", json!({})),
        ("requeue", json!({"all": true, "key": "a"})),
        ("requeue", json!({"key": "a\u{0}b"})),
        ("requeue", json!({"all": true, "colour": "red"})),
        ("skip", json!({"all": true})),
        ("skip", json!({"all": true, "reason": " "})),
    ] {
        let answer = relay.post(&format!("/api/v1/outbox/failed/{action}"), &body).await;
        assert_eq!(answer.status(), 400, "{action} {body}");
    }
}

#[sqlx::test(migrations = false)]
async fn one_call_decides_about_ten_thousand_events_and_says_that_there_are_more(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let relay = stage.relay().env("APP__BROKER__URL", "amqp://127.0.0.1:1").start();
    sqlx::query(
        "insert into integration_event_log (event_type, key, payload, state, last_error)
         select 'a.b.v1', i::text, '{}', 'PublishedFailed', 'refused' from generate_series(1, 10500) as i",
    )
    .execute(&stage.log.pool)
    .await
    .unwrap();
    let (mut changed, mut more) = (0, true);
    while more {
        let answer = relay.post("/api/v1/outbox/failed/requeue", &json!({"all": true})).await;
        let done: Value = answer.json().await.unwrap();
        let now = done["changed"].as_u64().unwrap();
        assert!((1..=10_000).contains(&now), "{done}");
        changed += now;
        more = done["more"].as_bool().unwrap();
        assert_eq!(more, changed < 10_500, "{done}");
    }
    assert_eq!(changed, 10_500);
}

#[sqlx::test(migrations = false)]
async fn scheduled_events_are_listed_and_cancelled(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let schedule = "insert into outbox_scheduled (due, event_type, key, payload)
        values (now() + interval '2 hours', 'a.b.v1', 'late', '{}'), (now() + interval '1 hour', 'a.b.v1', 'soon', '{}')";
    sqlx::raw_sql(schedule).execute(&stage.log.pool).await.unwrap();
    let list = || {
        let (code, out, err) = stage.relay().output(&["scheduled", "list", "--json"]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let events = list();
    assert_eq!((&events[0]["key"], &events[1]["key"]), (&json!("soon"), &json!("late")));
    let id = events[0]["scheduledId"].as_str().unwrap();
    let (code, _, err) = stage.relay().output(&["scheduled", "cancel", id]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(list().as_array().unwrap().len(), 1);
    let (code, _, err) = stage.relay().output(&["scheduled", "cancel", id]);
    assert!(code == 1 && err.contains("no event with the id"), "{err}");
}

async fn schedule(pool: &PgPool, keys: &[&str]) {
    for key in keys {
        sqlx::query(
            "insert into outbox_scheduled (due, event_type, key, payload)
             values (now() + interval '1 hour', 'a.b.v1', $1, '{}')",
        )
        .bind(key)
        .execute(pool)
        .await
        .unwrap();
    }
}

async fn scheduled(relay: &Relay) -> Value {
    let answer = relay.get("/api/v1/outbox/scheduled").await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn scheduled_events_are_listed_and_cancelled_over_http(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    schedule(&stage.log.pool, &["a", "b"]).await;
    let events = scheduled(&relay).await;
    assert_eq!((&events["count"], &events["data"][0]["database"]), (&json!(2), &json!("test")));
    let first: Value = relay.get("/api/v1/outbox/scheduled?limit=1").await.json().await.unwrap();
    assert_eq!((&first["count"], first["data"].as_array().unwrap().len()), (&json!(2), 1));
    let id = events["data"][0]["scheduledId"].as_str().unwrap();
    let cancel = format!("/api/v1/outbox/scheduled/{id}/cancel");
    assert_eq!(relay.post(&cancel, &json!({})).await.status(), 200);
    assert_eq!(relay.post(&cancel, &json!({})).await.status(), 404, "it is cancelled");
    assert_eq!(scheduled(&relay).await["count"], 1);
    assert_eq!(relay.post("/api/v1/outbox/scheduled/seven/cancel", &json!({})).await.status(), 400);
    assert_eq!(relay.get("/api/v1/outbox/scheduled?limit=0").await.status(), 400);
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_away_hinders_no_decision_about_the_others(pool: PgPool) {
    let stage = Stage::set(pool).await;
    // Asked first: databases are in the order of their names.
    let relay = stage
        .relay()
        .env("APP__DATABASES__AWAY__URL", AWAY)
        .env("APP__BROKER__URL", "amqp://127.0.0.1:1")
        .start();
    schedule(&stage.log.pool, &["a", "b"]).await;
    failed(&stage.log.pool, &["a"], "shop.test.one.v1").await;
    let events = scheduled(&relay).await;
    assert_eq!(events["count"], 2);
    assert!(events["problems"][0].as_str().unwrap().starts_with("away: "), "{events}");
    let id = events["data"][0]["scheduledId"].as_str().unwrap();
    let cancel = format!("/api/v1/outbox/scheduled/{id}/cancel");
    assert_eq!(relay.post(&cancel, &json!({})).await.status(), 200);
    assert_eq!(relay.post(&cancel, &json!({})).await.status(), 503, "the one that is away may have it");
    let unknown = format!("/api/v1/outbox/scheduled/{}/cancel", Uuid::new_v4());
    assert_eq!(relay.post(&unknown, &json!({})).await.status(), 503);
    let done = relay.post("/api/v1/outbox/failed/requeue", &json!({"all": true})).await;
    let done: Value = done.json().await.unwrap();
    assert_eq!(done["changed"], 1, "{done}");
    assert_eq!(done["databases"][0]["database"], "away");
    assert!(done["databases"][0]["problem"].is_string(), "{done}");
}
