//! The catalog's events, over a real broker.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    options::{BasicConsumeOptions, BasicPublishOptions},
    types::FieldTable,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{
    catalog::{Answer, TestCatalog, item},
    eventually, vhost,
};
use uuid::Uuid;

use crate::{
    announced::{add, announce, change, message, properties, remove, spawn, spawn_with, taken_in},
    app::{SOON, Setup, TestApp},
    sse::EventSource,
};

/// How many deliveries of this kind the process has counted.
async fn counted(app: &TestApp, receipt: &str) -> u64 {
    let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let start = format!("inbox_deliveries_total{{consumer=\"basket\",receipt=\"{receipt}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&start));
    value.unwrap_or_else(|| panic!("no {start} in {metrics}")).parse().unwrap()
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_price_change_reaches_the_cart_and_the_open_page(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    assert!(taken_in(&pool, &new).await);
    app.fill("alice", 1, 2).await;
    let mut stream = EventSource::open(&app, "alice").await;
    let change = change(1, "10.00", "12.50", 2);
    announce(&vhost, &change).await;
    let alert = stream.alert().await;
    assert_eq!((&alert["eventId"], &alert["newPrice"]), (&change["id"], &json!("12.50")));
    let basket = app.see("alice").await;
    let item = &basket["items"][0];
    assert_eq!((&item["unitPrice"], &item["oldUnitPrice"]), (&json!("12.50"), &json!("10.00")));
    assert_eq!(basket["total"], "25.00");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_product_announced_before_the_queue_was_bound_is_looked_up_and_kept_up_to_date(pool: PgPool) {
    let vhost = vhost().await;
    let catalog = TestCatalog::spawn().await;
    catalog.answer(7, Answer::Item(item(7, "10.00", 1)));
    let app = spawn_with(&pool, &vhost, &catalog.url).await;
    app.ready().await;
    app.fill("alice", 7, 1).await;
    let change = change(7, "10.00", "12.50", 2);
    announce(&vhost, &change).await;
    assert!(taken_in(&pool, &change).await);
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "12.50");
    assert_eq!(app.alerts("alice").await["count"], 1);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_removed_and_a_renamed_product_reach_the_cart(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 2).await;
    let data = json!({"productId": 1, "name": "Renamed", "pictureUrl": "/renamed", "version": 2});
    announce(&vhost, &message("shop.catalog.product_changed.v1", 1, 2, &data)).await;
    let removed = remove(1, 3);
    announce(&vhost, &removed).await;
    assert!(taken_in(&pool, &removed).await);
    let item = app.see("alice").await["items"][0].clone();
    assert_eq!((&item["productName"], &item["available"]), (&json!("Renamed"), &json!(false)));
    assert_eq!(app.alerts("alice").await["data"][0]["kind"], "product_removed");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_event_that_is_sent_again_as_a_new_message_alerts_once(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 2).await;
    let before = counted(&app, "repeated").await;
    let change = change(1, "10.00", "12.50", 2);
    for _ in 0..3 {
        announce(&vhost, &change).await;
    }
    eventually("the repeats are counted", SOON, async || {
        (counted(&app, "repeated").await == before + 2).then_some(())
    })
    .await;
    assert_eq!(app.alerts("alice").await["count"], 1);
    assert_eq!(app.see("alice").await["version"], 2);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_event_that_the_broker_delivers_again_is_recognised_by_the_inbox(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 2).await;
    let change = change(1, "10.00", "12.50", 2);
    announce(&vhost, &change).await;
    taken_in(&pool, &change).await;
    app.stop();

    // The message as it is after a crash between commit and acknowledgement: in the queue, flag set.
    announce(&vhost, &change).await;
    let connection = vhost.connect().await;
    let channel = connection.create_channel().await.unwrap();
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries =
        channel.basic_consume("basket.events".into(), "crash".into(), options, none).await.unwrap();
    let delivery = tokio::time::timeout(SOON, deliveries.next()).await.unwrap().unwrap().unwrap();
    assert!(!delivery.redelivered);
    connection.close(200, "not acknowledged".into()).await.unwrap();

    let app = Setup::of(&pool).with("APP__BROKER__URL", &vhost.url).spawn();
    let before = counted(&app, "redelivered_known").await;
    eventually("the delivery is counted", SOON, async || {
        (counted(&app, "redelivered_known").await > before).then_some(())
    })
    .await;
    assert_eq!(app.alerts("alice").await["count"], 1);
    assert_eq!(app.see("alice").await["version"], 2);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_price_change_that_comes_late_raises_its_alert_and_leaves_the_newer_price(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 2).await;
    let newest = change(1, "12.50", "15.00", 3);
    announce(&vhost, &newest).await;
    assert!(taken_in(&pool, &newest).await);
    let older = change(1, "10.00", "12.50", 2);
    announce(&vhost, &older).await;
    assert!(taken_in(&pool, &older).await);
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "15.00");
    let alerts = app.alerts("alice").await;
    assert_eq!((&alerts["count"], &alerts["data"][0]["newPrice"]), (&json!(2), &json!("12.50")));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_price_change_that_comes_late_does_not_alert_who_put_the_product_in_after_it(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    let newest = change(1, "12.50", "15.00", 3);
    announce(&vhost, &newest).await;
    assert!(taken_in(&pool, &newest).await);
    let before = app.fill("alice", 1, 2).await;
    let older = change(1, "10.00", "12.50", 2);
    announce(&vhost, &older).await;
    assert!(taken_in(&pool, &older).await);
    assert_eq!(app.see("alice").await, before);
    assert_eq!(app.alerts("alice").await["count"], 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn price_changes_of_two_sources_both_count_whatever_their_versions(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    for event in [&add(1, "10.00"), &change(1, "10.00", "11.00", 5)] {
        announce(&vhost, event).await;
        assert!(taken_in(&pool, event).await);
    }
    app.fill("alice", 1, 1).await;
    for (source, price, version) in [("/a", "15.00", 1_000), ("/b", "12.00", 3)] {
        let mut event = change(1, "11.00", price, version);
        event["source"] = json!(source);
        announce(&vhost, &event).await;
        assert!(taken_in(&pool, &event).await);
        assert_eq!(app.see("alice").await["items"][0]["unitPrice"], price);
    }
    assert_eq!(app.alerts("alice").await["count"], 2);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_price_of_a_later_generation_is_newer_whatever_its_version(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let (new, mut restored) = (add(1, "10.00"), change(1, "10.00", "12.00", 2));
    restored["generation"] = json!(2);
    for event in [&new, &change(1, "10.00", "15.00", 9)] {
        announce(&vhost, event).await;
        assert!(taken_in(&pool, event).await);
    }
    app.fill("alice", 1, 1).await;
    announce(&vhost, &restored).await;
    assert!(taken_in(&pool, &restored).await);
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "12.00");
    assert_eq!(app.alerts("alice").await["count"], 1);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_happened_while_the_service_was_down_is_caught_up_with(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "1.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 1).await;
    app.stop();
    let mut last = Value::Null;
    for version in 2..=21 {
        last = change(1, &format!("{}.00", version - 1), &format!("{version}.00"), version);
        announce(&vhost, &last).await;
    }
    let app = spawn(&pool, &vhost).await;
    taken_in(&pool, &last).await;
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "21.00");
    let alerts = app.alerts("alice").await;
    assert_eq!(alerts["count"], 20);
    let prices: Vec<_> =
        alerts["data"].as_array().unwrap().iter().map(|alert| alert["newPrice"].as_str().unwrap()).collect();
    let expected: Vec<String> = (2..=21).rev().map(|version| format!("{version}.00")).collect();
    assert_eq!(prices, expected);
}

/// Messages that nobody can handle, each with a word of the reason.
fn poison() -> Vec<(Vec<u8>, &'static str)> {
    let good = change(1, "10.00", "12.50", 2);
    let with = |path: &str, value: Value| {
        let mut message = good.clone();
        *message.pointer_mut(path).unwrap() = value;
        message["id"] = if path == "/id" { message["id"].take() } else { json!(Uuid::now_v7()) };
        message.to_string().into_bytes()
    };
    let without = |field: &str| {
        let mut message = good.clone();
        message.as_object_mut().unwrap().remove(field);
        message.to_string().into_bytes()
    };
    let mut incomplete = good.clone();
    incomplete["data"].as_object_mut().unwrap().remove("newPrice");
    vec![
        (b"not json".to_vec(), "not a CloudEvents event"),
        (b"\xFF\xFE".to_vec(), "not a CloudEvents event"),
        (Vec::new(), "not a CloudEvents event"),
        (b"[]".to_vec(), "not a CloudEvents event"),
        (without("id"), "id"),
        (without("sequence"), "sequence"),
        (with("/sequence", json!("0")), "at least 1"),
        (without("data"), "data"),
        (with("/id", json!("7")), "id"),
        (with("/type", json!("shop.catalog.product_painted.v1")), "product_painted"),
        (with("/type", json!("shop.catalog.product_price_changed.v2")), "product_price_changed.v2"),
        (with("/subject", json!("2")), "about \"1\""),
        (incomplete.to_string().into_bytes(), "newPrice"),
        (with("/data/productId", json!("one")), "expected i64"),
        (with("/data/productId", json!(0)), "greater than zero"),
        (with("/data/newPrice", json!("-1.00")), "greater than zero"),
        (with("/data/newPrice", json!("1.005")), "two decimal places"),
        (with("/data/newPrice", json!("NaN")), "newPrice"),
        (with("/data/newPrice", json!("99999999999.00")), "at most"),
        (with("/data/currency", json!("USD")), "USD"),
        (with("/data/name", json!("a\0b")), "NUL"),
        (with("/data/name", json!("x".repeat(2_000))), "at most 1000"),
    ]
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_cannot_be_handled_is_dead_lettered_with_the_reason_and_the_rest_flows(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    taken_in(&pool, &new).await;
    app.fill("alice", 1, 1).await;

    let connection = vhost.connect().await;
    let channel = connection.create_channel().await.unwrap();
    let mut version = 2;
    for (body, _) in poison() {
        // Straight into the queue, as no binding would bring most of these there.
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), "basket.events".into(), options, &body, properties()).await.unwrap();
        let good = change(1, &format!("{}.00", version + 8), &format!("{}.00", version + 9), version);
        let body = good.to_string();
        channel
            .basic_publish("".into(), "basket.events".into(), options, body.as_bytes(), properties())
            .await
            .unwrap();
        version += 1;
    }
    let mut reasons = Vec::new();
    for _ in poison() {
        let dead = eventually("a dead letter", Duration::from_secs(20), async || {
            vhost.take("basket.events.dead").await
        })
        .await;
        reasons.push((dead.body.clone(), dead.header("x-reason").expect("a reason")));
    }
    for (body, reason) in poison() {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let found = reasons.iter().any(|(_, given)| given.contains(reason));
        assert!(found, "nothing was dead-lettered because of {reason:?} ({body}): {reasons:#?}");
    }
    assert!(vhost.take("basket.events.dead").await.is_none(), "an innocent was dead-lettered");
    eventually("the good ones are all applied", SOON, async || {
        let price = app.see("alice").await["items"][0]["unitPrice"].clone();
        (price == format!("{}.00", version + 8)).then_some(())
    })
    .await;
    assert_eq!(app.alerts("alice").await["count"], i64::try_from(poison().len()).unwrap());
    connection.close(200, "OK".into()).await.unwrap();
}
