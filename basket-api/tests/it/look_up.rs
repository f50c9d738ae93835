//! A product that no event has told of yet is asked for at the catalog.

use std::time::{Duration, Instant};

use basket_api::{
    CATALOG,
    products::look_up::TOLD_BY_AN_ITEM,
    products::{look_up::store_answer, store::ProductFacts},
    subscriptions::{AddProduct, RepriceBaskets, UpdateProduct},
};
use event_bus::{BatchHandler, Received, inbox};
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use test_kit::{
    catalog::{Answer, TestCatalog, item, response},
    eventually,
};

use crate::{
    announced::consuming,
    app::{
        SOON, Setup, TestApp, add_product, added, handle, problem, received, remove_product, repriced,
        subscribed_before,
    },
};

async fn spawn(pool: &PgPool) -> (TestApp, TestCatalog) {
    subscribed_before(pool).await;
    let catalog = TestCatalog::spawn().await;
    let app = Setup::of(pool).with("APP__CATALOG__URL", &catalog.url).spawn();
    (app, catalog)
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_unknown_product_is_asked_for_once_and_then_known(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = app.basket(Method::PUT, "alice", "/items/7").json(&json!({"quantity": 2}));
    let request = request.header("traceparent", parent).header("x-request-id", "request-1");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let basket = app.fill("bob", 7, 1).await;
    assert_eq!(basket["items"][0]["unitPrice"], "12.50");
    assert_eq!(basket["items"][0]["productName"], "Product 7");

    let [asked] = catalog.requests().try_into().expect("one question");
    assert!(asked.starts_with("GET /api/v1/catalog/items/7 HTTP/1.1\r\n"), "{asked}");
    let asked = asked.to_lowercase();
    assert!(asked.contains(&format!("\r\ntraceparent: {parent}\r\n")), "{asked}");
    assert!(asked.contains("\r\nx-request-id: request-1\r\n"), "{asked}");
    assert!(!asked.contains("authorization"), "the buyer's token is not passed on");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn nothing_is_looked_up_before_the_queue_was_ever_bound(pool: PgPool) {
    // A change of the product could be announced before anybody listens, and the price be wrong for ever.
    let catalog = TestCatalog::spawn().await;
    let app = Setup::of(&pool).with("APP__CATALOG__URL", &catalog.url).spawn();
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    let answer = app.put("alice", 7, 1).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(catalog.requests().len(), 0);
    let health = app.request(Method::GET, "/health/ready").send().await.unwrap();
    assert_eq!(health.status(), 503);
    let health: serde_json::Value = health.json().await.unwrap();
    assert_eq!(health["checks"], json!({"database": "ok", "subscription": "failing", "consumer": "failing"}));

    subscribed_before(&pool).await;
    assert_eq!(app.put("alice", 7, 1).await.status(), 200);
    app.ready().await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn once_its_queue_was_bound_it_is_ready_without_a_broker_also_before_the_first_event(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let app = consuming(Setup::of(&pool), &vhost).await;
    eventually("it is remembered", SOON, async || {
        let query = "select exists (select from inbox_version where consumer = 'basket')";
        let is_remembered: bool = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
        is_remembered.then_some(())
    })
    .await;
    app.stop();
    // The broker of this one is an address where nobody listens.
    TestApp::spawn(&pool).ready().await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_product_that_the_catalog_does_not_know_is_unknown(pool: PgPool) {
    let (app, _catalog) = spawn(&pool).await;
    let answer = app.put("alice", 7, 1).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(problem(answer).await["type"], "/problems/unknown-product");
    assert_eq!(app.see("alice").await["version"], 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_removed_product_is_not_asked_for(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    remove_product(&pool, 7, 4).await;
    assert_eq!(app.put("alice", 7, 1).await.status(), 404);
    assert_eq!(catalog.requests().len(), 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_catalog_that_is_away_means_later(pool: PgPool) {
    subscribed_before(&pool).await;
    let app = TestApp::spawn(&pool);
    let answer = app.put("alice", 7, 1).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(problem(answer).await["type"], "/problems/unavailable");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_catalog_that_answers_nonsense_means_later(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    let free = item(7, "0.00", 3);
    let mut dollars = item(7, "1.00", 3);
    dollars["currency"] = json!("USD");
    let mut nul = item(7, "1.00", 3);
    nul["name"] = json!("a\0b");
    let large = "x".repeat(100_000);
    for answer in [
        Answer::Item(json!({"id": 7})),
        Answer::Item(item(8, "1.00", 3)),
        Answer::Item(free),
        Answer::Item(dollars),
        Answer::Item(nul),
        Answer::Raw(response("200 OK", "", "not json")),
        Answer::Raw(response("200 OK", "", &large)),
        Answer::Raw(response(
            "302 Found",
            &format!("location: {}/api/v1/catalog/items/8\r\n", catalog.url),
            "",
        )),
        Answer::Raw(response("500 Internal Server Error", "", "")),
        Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()),
        Answer::Raw(b"nonsense\r\n\r\n".to_vec()),
        Answer::Raw(Vec::new()),
    ] {
        catalog.answer(7, answer);
        let answer = app.put("alice", 7, 1).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        problem(answer).await;
    }
    assert!(catalog.requests().iter().all(|asked| !asked.contains("/items/8")), "no redirect is followed");
    catalog.answer(7, Answer::Item(item(7, "1.00", 3)));
    assert_eq!(app.put("alice", 7, 1).await.status(), 200);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_silent_catalog_holds_up_only_who_asks_and_not_for_long(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    add_product(&pool, 1, "1.00").await;
    catalog.answer(7, Answer::Silence);
    // More than may ask at once: the last of them wait for their turn, no longer than the others.
    let started = Instant::now();
    let asking = futures_util::future::join_all((0..20).map(|_| app.put("alice", 7, 1)));
    let other = async {
        eventually("as many ask as may", SOON, async || (catalog.requests().len() >= 8).then_some(())).await;
        assert_eq!(catalog.requests().len(), 8, "questions under way at once are bounded");
        let started = Instant::now();
        assert_eq!(app.put("bob", 1, 1).await.status(), 200);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    };
    let (answers, ()) = tokio::join!(asking, other);
    assert!(answers.iter().all(|answer| answer.status() == 503));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn events_older_than_the_answer_are_old_news(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    app.fill("alice", 7, 1).await;
    let mut tx = pool.begin().await.unwrap();
    let news = inbox::advance(&mut tx, "basket", CATALOG, "7", &TOLD_BY_AN_ITEM, 3).await.unwrap();
    assert_eq!(news, [""; 0], "the guard knows version 3 of everything that the item tells");
    let news = inbox::advance(&mut tx, "basket", CATALOG, "7", &TOLD_BY_AN_ITEM, 4).await.unwrap();
    assert_eq!(news, TOLD_BY_AN_ITEM);
    drop(tx);
    // Should they get through all the same, they change nothing.
    handle(&pool, &AddProduct, &[received(7, 1, added(7, "10.00"))]).await;
    handle(&pool, &RepriceBaskets, &[received(7, 3, repriced(7, "10.00", "12.50", 3))]).await;
    let basket = app.see("alice").await;
    assert_eq!((&basket["items"][0]["unitPrice"], &basket["version"]), (&json!("12.50"), &json!(1)));
    assert_eq!(app.alerts("alice").await["count"], 0);
}

fn facts(price: &str, version: i64) -> ProductFacts {
    ProductFacts {
        id: 7.try_into().unwrap(),
        name: "From the answer".to_owned().try_into().unwrap(),
        picture_url: "/answer".to_owned().try_into().unwrap(),
        price: price.parse::<rust_decimal::Decimal>().unwrap().try_into().unwrap(),
        currency: basket_api::products::Currency::Eur,
        generation: 1,
        version,
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_event_that_came_while_the_catalog_was_asked_wins(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    // Only the price is known yet, and newer than the answer.
    handle(&pool, &RepriceBaskets, &[received(7, 5, repriced(7, "12.50", "9.00", 5))]).await;
    store_answer(&pool, &facts("12.50", 4)).await.unwrap();
    let basket = app.fill("alice", 7, 1).await;
    assert_eq!(basket["items"][0]["unitPrice"], "9.00");
    assert_eq!(basket["items"][0]["productName"], "From the answer");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn after_a_restore_too_events_older_than_the_answer_are_old_news(pool: PgPool) {
    subscribed_before(&pool).await;
    sqlx::query("update inbox_version set generation = 5").execute(&pool).await.unwrap();
    let app = TestApp::spawn(&pool);
    store_answer(&pool, &facts("12.50", 3)).await.unwrap();
    app.fill("alice", 7, 1).await;
    let older = Received { generation: 5, ..received(7, 2, repriced(7, "9.00", "10.00", 2)) };
    handle(&pool, &RepriceBaskets, &[older]).await;
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "12.50");
    assert_eq!(app.alerts("alice").await["count"], 0);
    let guards: Vec<(i64, i64)> =
        sqlx::query_as("select generation, key_version from inbox_version where key = '7'")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(guards, [(5, 3); 3]);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_answer_that_comes_late_changes_no_cart(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 7, "10.00").await;
    app.fill("alice", 7, 1).await;
    // Newer than what is known, but the carts would not be told: that is the event's to do.
    store_answer(&pool, &facts("12.50", 2)).await.unwrap();
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "10.00");
    handle(&pool, &RepriceBaskets, &[received(7, 2, repriced(7, "10.00", "12.50", 2))]).await;
    let mut tx = pool.begin().await.unwrap();
    let news = inbox::advance(&mut tx, "basket", CATALOG, "7", &TOLD_BY_AN_ITEM, 2).await.unwrap();
    assert_eq!(news, TOLD_BY_AN_ITEM, "the guard was left where it was");
    drop(tx);
    assert_eq!(app.see("alice").await["items"][0]["unitPrice"], "12.50");
    assert_eq!(app.alerts("alice").await["count"], 1);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn events_of_a_product_may_come_in_any_order(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let changed = json!({"productId": 7, "name": "Renamed", "pictureUrl": "/renamed", "version": 2});
    handle(&pool, &UpdateProduct, &[received(7, 2, changed)]).await;
    assert_eq!(app.put("alice", 7, 1).await.status(), 503, "not all of it is known");
    handle(&pool, &RepriceBaskets, &[received(7, 3, repriced(7, "10.00", "11.00", 3))]).await;
    handle(&pool, &AddProduct, &[received(7, 1, added(7, "10.00"))]).await;
    let basket = app.fill("alice", 7, 1).await;
    let item = &basket["items"][0];
    assert_eq!((&item["productName"], &item["unitPrice"]), (&json!("Renamed"), &json!("11.00")));
    assert_eq!(item["pictureUrl"], "/renamed");

    remove_product(&pool, 8, 9).await;
    handle(&pool, &AddProduct, &[received(8, 1, added(8, "10.00"))]).await;
    assert_eq!(app.put("alice", 8, 1).await.status(), 404, "a removed product never comes back");
}

#[test]
fn the_events_that_an_item_tells_of_are_those_with_handlers() {
    let handled = [AddProduct::EVENT_TYPE, RepriceBaskets::EVENT_TYPE, UpdateProduct::EVENT_TYPE];
    assert_eq!(TOLD_BY_AN_ITEM, handled);
}
