//! A buyer's alerts in one mail a day: what this service announces for it.

use basket_api::subscriptions::{EraseBuyer, MakeDigest};
use event_bus::{BatchHandler, Received, TraceContext};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{Setup, TestApp, add_product, handle, problem, remove_product, reprice};

async fn want(app: &TestApp, buyer: &str, wanted: bool) {
    let answer =
        app.basket(Method::PUT, buyer, "/digest").json(&json!({"wanted": wanted})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let now: Value = app.basket(Method::GET, buyer, "/digest").send().await.unwrap().json().await.unwrap();
    assert_eq!(now, json!({"wanted": wanted}));
}

/// The scheduled events: id, key, payload and the seconds until it is due.
async fn scheduled(pool: &PgPool) -> Vec<(Uuid, String, Value, f64)> {
    sqlx::query_as(
        "select scheduled_id, key, payload, extract(epoch from due - now())::float8
           from outbox_scheduled where event_type = 'shop.basket.price_digest_due.v1'",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// What the log announces.
async fn announced(pool: &PgPool) -> Vec<Value> {
    let query = "select payload from integration_event_log
                  where event_type = 'shop.basket.price_digest_made.v1' order by position";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

fn event<P: serde::de::DeserializeOwned>(id: Uuid, key: &str, data: Value) -> Received<P> {
    Received {
        id,
        source: "/basket".to_owned(),
        key: key.to_owned(),
        generation: 1,
        version: 1,
        is_newest: true,
        occurred_at: chrono::Utc::now(),
        redelivered: false,
        trace: TraceContext::default(),
        data: serde_json::from_value(data).unwrap(),
    }
}

/// Has the pending event come due, as the relay would; returns its id.
async fn comes_due(pool: &PgPool) -> Uuid {
    let [(id, key, payload, _)] = &scheduled(pool).await[..] else { panic!("one is pending") };
    sqlx::query("delete from outbox_scheduled").execute(pool).await.unwrap();
    handle(pool, &MakeDigest, &[event(*id, key, payload.clone())]).await;
    *id
}

fn golden(event_type: &str) -> Value {
    let path = format!("{}/../contracts/{event_type}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn who_wants_it_has_one_digest_scheduled_and_gets_in_it_what_is_not_acknowledged(pool: PgPool) {
    let app = Setup::of(&pool).with("APP__DIGEST__EVERY_SECONDS", "600").spawn();
    for product in 1..=3 {
        add_product(&pool, product, "10.00").await;
        app.fill("alice", product, 1).await;
        app.fill("bob", product, 1).await;
    }
    reprice(&pool, 1, "10.00", "11.00", 2).await;
    want(&app, "alice", true).await;
    want(&app, "alice", true).await;
    let [(_, key, payload, due)] = &scheduled(&pool).await[..] else { panic!("one for each who wants it") };
    assert_eq!((key.as_str(), payload), ("alice", &golden("shop.basket.price_digest_due.v1")));
    assert!((550.0..=600.0).contains(due), "{due}");

    // What came before the wish, and what is acknowledged, is known.
    reprice(&pool, 2, "10.00", "12.00", 2).await;
    app.acknowledge("alice").await;
    reprice(&pool, 2, "12.00", "12.50", 3).await;
    remove_product(&pool, 3, 2).await;
    let first = comes_due(&pool).await;
    let [digest] = &announced(&pool).await[..] else { panic!("one digest") };
    let changes = json!([
        {"productId": 2, "productName": "Product 2", "oldPrice": "12.00", "newPrice": "12.50"},
        {"productId": 3, "productName": "Product 3", "oldPrice": "10.00"},
    ]);
    assert_eq!(*digest, json!({"buyerId": "alice", "changes": changes, "more": 0, "currency": "EUR"}));
    let mut contract = golden("shop.basket.price_digest_made.v1");
    contract["changes"] = changes;
    assert_eq!(*digest, contract);

    // An event that is repeated makes none, one with nothing to tell makes none, and the next is always scheduled.
    handle(&pool, &MakeDigest, &[event(first, "alice", payload.clone())]).await;
    assert_ne!(comes_due(&pool).await, first);
    assert_eq!((announced(&pool).await.len(), scheduled(&pool).await.len()), (1, 1));

    for version in 4..64 {
        let (old, new) = (format!("{version}.00"), format!("{}.00", version + 1));
        reprice(&pool, 2, &old, &new, version).await;
    }
    comes_due(&pool).await;
    let all = announced(&pool).await;
    let [_, long] = &all[..] else { panic!("{all:?}") };
    assert_eq!((long["changes"].as_array().unwrap().len(), &long["more"]), (50, &json!(10)));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn who_wants_no_digest_any_more_or_is_gone_gets_none(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    want(&app, "alice", false).await;
    want(&app, "alice", true).await;
    let [(old, _, payload, due)] = &scheduled(&pool).await[..] else { panic!("one is pending") };
    assert!((86_000.0..=86_400.0).contains(due), "a day: {due}");
    want(&app, "alice", false).await;
    assert!(scheduled(&pool).await.is_empty());
    want(&app, "alice", true).await;
    reprice(&pool, 1, "10.00", "11.00", 2).await;
    // One that was already on its way when it was cancelled.
    handle(&pool, &MakeDigest, &[event(*old, "alice", payload.clone())]).await;
    assert!(announced(&pool).await.is_empty());

    let user = Uuid::now_v7().to_string();
    app.fill(&user, 1, 1).await;
    want(&app, &user, true).await;
    let gone = |id| event::<<EraseBuyer as BatchHandler>::Payload>(id, &user, json!({"userId": user}));
    handle(&pool, &EraseBuyer, &[gone(Uuid::now_v7())]).await;
    let left = scheduled(&pool).await;
    assert!(left.len() == 1 && left[0].1 == "alice", "{left:?}");
    let rows: i64 = sqlx::query_scalar("select count(*) from digest").fetch_one(&pool).await.unwrap();
    assert_eq!(rows, 1);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_digest_that_an_operator_has_cancelled_is_made_again_for_who_asks_again(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    want(&app, "alice", true).await;
    sqlx::query("delete from outbox_scheduled").execute(&pool).await.unwrap();
    want(&app, "alice", true).await;
    let [(_, _, _, due)] = &scheduled(&pool).await[..] else { panic!("one is pending") };
    assert!(*due < 1.0, "one that is on its way may be ignored for it: {due}");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_wish_that_is_none_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for body in
        [json!({}), json!({"wanted": "yes"}), json!({"wanted": null}), json!({"wanted": true, "x": 1})]
    {
        let answer = app.basket(Method::PUT, "alice", "/digest").json(&body).send().await.unwrap();
        assert_eq!(problem(answer).await["status"], 400, "{body}");
    }
    let path = "/api/v1/basket/bob/digest";
    let other =
        app.request(Method::GET, path).bearer_auth(test_kit::token("alice", "")).send().await.unwrap();
    assert_eq!(problem(other).await["status"], 404);
    assert!(scheduled(&pool).await.is_empty());
}
