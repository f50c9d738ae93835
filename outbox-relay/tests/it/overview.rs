//! What the control room asks: relays, pages of events, one event's life, an audit.

use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{LONG, Stage};

async fn answer(response: reqwest::Response) -> Value {
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

/// The names of the relays that are alive, each with how many partitions it owns.
async fn alive(relay: &crate::support::Relay) -> Vec<(String, usize)> {
    let answer = answer(relay.get("/api/v1/outbox/relays").await).await;
    let relays = answer[0]["relays"].as_array().unwrap().iter().filter(|relay| relay["alive"] == true);
    let mut alive: Vec<_> = relays
        .map(|relay| {
            let owned = relay["partitions"].as_array().unwrap().len();
            (relay["name"].as_str().unwrap().to_owned(), owned)
        })
        .collect();
    alive.sort();
    alive
}

#[sqlx::test(migrations = false)]
async fn every_relay_is_listed_with_the_partitions_that_it_owns(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let start = |name| stage.relay().env("APP__RELAY__NAME", name).start();
    let (one, mut two) = (start("one"), start("two"));
    let halves = [("one".to_owned(), 32), ("two".to_owned(), 32)];
    eventually("the partitions are shared", LONG, async || (alive(&one).await == halves).then_some(())).await;
    two.signal(test_kit::Signal::KILL);
    two.ended().await;
    let all = [("one".to_owned(), 64)];
    eventually("one has taken over", LONG, async || (alive(&one).await == all).then_some(())).await;
}

#[sqlx::test(migrations = false)]
async fn the_log_can_be_read_page_by_page_from_its_newest_event(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let ids = stage.log.raise("a", 1..=5).await;
    let relay = stage.relay().start();
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let page = answer(relay.get(&format!("/api/v1/outbox/events?limit=2{before}")).await).await;
        let page = page.as_array().unwrap();
        let ids = page.iter().map(|event| event["eventId"].as_str().unwrap().parse::<Uuid>().unwrap());
        seen.extend(ids);
        let Some(last) = seen.last().filter(|_| !page.is_empty()) else { break };
        before = format!("&before={last}");
    }
    assert!(seen.iter().eq(ids.iter().rev()), "{seen:?}");
}

#[sqlx::test(migrations = false)]
async fn an_events_life_has_its_delivery_to_each_subscriber(pool: PgPool) {
    let stage = Stage::set(pool).await;
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&stage.log.pool).await.unwrap();
    let id = stage.log.raise("a", 1..=1).await[0];
    let relay = stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url).start();
    stage.log.drained().await;
    let path = format!("/api/v1/outbox/events/{id}");
    let life = answer(relay.get(&path).await).await;
    assert_eq!((&life["state"], &life["timesSent"]), (&json!("Published"), &json!(1)), "{life}");
    assert_eq!(life["deliveries"], json!([{"consumer": "basket", "received": null, "problem": null}]));
    let missing = answer(relay.get("/api/v1/outbox/audit").await).await;
    assert_eq!(missing["missing"], 0, "a subscriber that never had this type need not have it: {missing}");

    sqlx::query(
        "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         values ('basket', $1, '/test', 'shop.test.counter_raised.v1', 'a', 1, true, false)",
    )
    .bind(id)
    .execute(&stage.log.pool)
    .await
    .unwrap();
    let life = answer(relay.get(&path).await).await;
    assert_eq!(life["deliveries"][0]["received"]["applied"], true, "{life}");
    let audit = answer(relay.get("/api/v1/outbox/audit").await).await;
    assert_eq!(audit["types"][0]["consumed"], json!({"basket": 1}), "{audit}");
}

#[sqlx::test(migrations = false)]
async fn the_status_says_how_far_the_log_has_come(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.log.raise("a", 1..=3).await;
    let (code, out, _) = stage.relay().output(&["status", "--json"]);
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &status[0]["progress"]), (1, &json!({"committed": 3, "settled": 0})));
    assert_eq!(status[0]["problems"], json!(["3 events are pending and no relay runs"]));
    let relay = stage.relay().start();
    stage.log.drained().await;
    let status = answer(relay.get("/api/v1/outbox/status").await).await;
    assert_eq!(status[0]["progress"], json!({"committed": 3, "settled": 3}));
    assert_eq!(relay.get("/api/v1/outbox/audit").await.status(), 409, "nobody to compare with");
}
