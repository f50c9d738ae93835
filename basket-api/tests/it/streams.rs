//! The stream of a buyer's alerts.

use std::time::{Duration, Instant};

use basket_api::subscriptions::RepriceBaskets;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::{
    auth::{DEVELOPMENT_SECRET, Signer},
    settings::{AuthSettings, Mode},
};
use sqlx::PgPool;
use test_kit::eventually;

use crate::{
    app::{SOON, Setup, TestApp, add_product, handle, problem, received, reprice, repriced},
    sse::{EventSource, Message},
};

async fn with_a_mug(pool: &PgPool, app: &TestApp, buyers: &[&str]) {
    add_product(pool, 1, "1.00").await;
    for buyer in buyers {
        app.fill(buyer, 1, 1).await;
    }
}

/// Changes the product's price from `version - 1` to `version`; tells the processes as a subscriber does.
async fn change(pool: &PgPool, version: i64) {
    reprice(pool, 1, &format!("{}.00", version - 1), &format!("{version}.00"), version).await;
    sqlx::query("select pg_notify('basket_alert', '')").execute(pool).await.unwrap();
}

fn resume(app: &TestApp, buyer: &str, last: &Value) -> reqwest::RequestBuilder {
    app.basket(Method::GET, buyer, "/alerts/stream").header("last-event-id", last.to_string())
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_alert_arrives_as_it_is_listed(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    change(&pool, 2).await;
    let mut stream = EventSource::open(&app, "alice").await;
    assert_eq!(stream.next(SOON).await, Some(Message::Retry(2000)));
    change(&pool, 3).await;
    let alert = stream.alert().await;
    assert_eq!(alert["newPrice"], "3.00", "what was before the stream is not sent");
    assert_eq!(alert, app.alerts("alice").await["data"][0]);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_alert_arrives_within_moments(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    let mut stream = EventSource::open(&app, "alice").await;
    change(&pool, 2).await;
    stream.alert().await;
    let started = Instant::now();
    for version in 3..=12 {
        change(&pool, version).await;
        assert_eq!(stream.alert().await["newPrice"], format!("{version}.00"));
    }
    assert!(started.elapsed() < Duration::from_secs(5), "ten took {:?}", started.elapsed());
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_alert_arrives_although_its_notification_was_lost(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    let mut stream = EventSource::open(&app, "alice").await;
    for version in 2..=3 {
        reprice(&pool, 1, &format!("{}.00", version - 1), &format!("{version}.00"), version).await;
        assert_eq!(stream.alert().await["newPrice"], format!("{version}.00"));
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn nothing_is_missed_and_nothing_repeated_over_reconnections(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    let mut seen = Vec::new();
    let writing = async {
        for version in 2..=80 {
            change(&pool, version).await;
        }
    };
    let reading = async {
        let mut last = json!(0);
        while seen.len() < 79 {
            let mut stream = EventSource::from(resume(&app, "alice", &last)).await;
            // The connection is dropped after a while, in the middle of what comes.
            for _ in 0..7 {
                let alert = stream.alert().await;
                last = alert["id"].clone();
                seen.push(alert["newPrice"].as_str().unwrap().to_owned());
                if seen.len() == 79 {
                    break;
                }
            }
        }
    };
    tokio::join!(writing, reading);
    let all: Vec<String> = (2..=80).map(|version| format!("{version}.00")).collect();
    assert_eq!(seen, all);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_was_missed_is_sent_first_however_much_it_is(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    let price = |version: i64| format!("{version}.00");
    let run: Vec<_> = (2..=251).map(|v| received(1, v, repriced(1, &price(v - 1), &price(v), v))).collect();
    handle(&pool, &RepriceBaskets, &run).await;
    let alerts = app.alerts("alice").await;
    let first = alerts["data"][99]["id"].as_i64().unwrap();

    let mut from_header = EventSource::from(resume(&app, "alice", &json!(first))).await;
    for newest in (0..99).rev() {
        assert_eq!(from_header.alert().await, alerts["data"][newest]);
    }
    let path = "/alerts/stream?lastEventId=0";
    let mut from_query = EventSource::from(app.basket(Method::GET, "alice", path)).await;
    for version in 2..=251 {
        assert_eq!(from_query.alert().await["newPrice"], price(version));
    }
    change(&pool, 252).await;
    for stream in [&mut from_header, &mut from_query] {
        assert_eq!(stream.alert().await["newPrice"], "252.00");
    }
    let both = app.basket(Method::GET, "alice", path).header("last-event-id", first.to_string());
    let mut from_both = EventSource::from(both).await;
    assert_eq!(from_both.alert().await, alerts["data"][98], "the header is the later word");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_id_from_the_future_means_now(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    change(&pool, 2).await;
    for id in [json!(1_000_000), json!(u64::MAX)] {
        let mut stream = EventSource::from(resume(&app, "alice", &id)).await;
        let version = app.alerts("alice").await["count"].as_i64().unwrap() + 2;
        change(&pool, version).await;
        assert_eq!(stream.alert().await["newPrice"], format!("{version}.00"));
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn another_buyers_alerts_are_not_in_the_stream(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    with_a_mug(&pool, &app, &["alice"]).await;
    add_product(&pool, 2, "1.00").await;
    app.fill("bob", 2, 1).await;
    let mut alice = EventSource::open(&app, "alice").await;
    let mut bob = EventSource::open(&app, "bob").await;
    change(&pool, 2).await;
    change(&pool, 3).await;
    assert_eq!(alice.alert().await["newPrice"], "2.00");
    assert_eq!(alice.alert().await["newPrice"], "3.00");
    reprice(&pool, 2, "1.00", "7.00", 2).await;
    assert_eq!(bob.alert().await["newPrice"], "7.00", "the first that Bob hears of is his own");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn every_process_streams_what_any_of_them_wrote(pool: PgPool) {
    let one = TestApp::spawn(&pool);
    let other = TestApp::spawn(&pool);
    with_a_mug(&pool, &one, &["alice", "bob"]).await;
    let mut streams = Vec::new();
    for app in [&one, &other] {
        for buyer in ["alice", "alice", "bob"] {
            streams.push(EventSource::open(app, buyer).await);
        }
    }
    for version in 2..=6 {
        change(&pool, version).await;
    }
    for stream in &mut streams {
        for version in 2..=6 {
            assert_eq!(stream.alert().await["newPrice"], format!("{version}.00"));
        }
    }
    // A stream that was with one process goes on with another.
    let last = one.alerts("alice").await["data"][2]["id"].clone();
    one.stop();
    let mut stream = EventSource::from(resume(&other, "alice", &last)).await;
    assert_eq!(stream.alert().await["newPrice"], "5.00");
    assert_eq!(stream.alert().await["newPrice"], "6.00");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_quiet_stream_sends_a_sign_of_life_every_15_seconds(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let mut stream = EventSource::open(&app, "alice").await;
    assert_eq!(stream.next(SOON).await, Some(Message::Retry(2000)));
    let started = Instant::now();
    assert!(matches!(stream.next(Duration::from_secs(20)).await, Some(Message::Comment(_))));
    let waited = started.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(17)).contains(&waited), "{waited:?}");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_stream_ends_when_its_token_does(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let secret = Some(DEVELOPMENT_SECRET.into());
    let settings = AuthSettings { secret, ..AuthSettings::default() };
    let signer = Signer::new(&settings, Mode::Development).unwrap().unwrap();
    let token = signer.sign("alice", "", Duration::from_secs(3)).unwrap();
    let request =
        app.request(Method::GET, "/api/v1/basket/alice/alerts/stream").bearer_auth(token.expose_secret());
    let started = Instant::now();
    EventSource::from(request).await.ends(SOON).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn streams_end_at_once_and_cleanly_when_the_service_stops(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let mut stream = EventSource::open(&app, "alice").await;
    let mut others = Vec::new();
    for n in 0..20 {
        others.push(EventSource::open(&app, &format!("buyer{n}")).await);
    }
    app.begin_stop();
    stream.ends(SOON).await;
    for other in &mut others {
        other.ends(SOON).await;
    }
    app.stop();
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_buyer_may_have_so_many_streams_open_and_a_process_so_many(pool: PgPool) {
    let app =
        Setup::of(&pool).with("APP__STREAMS__MAX", "3").with("APP__STREAMS__MAX_PER_BUYER", "2").spawn();
    let first = EventSource::open(&app, "alice").await;
    let _second = EventSource::open(&app, "alice").await;
    let refused = app.basket(Method::GET, "alice", "/alerts/stream").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(problem(refused).await["type"], "/problems/too-many-streams");

    let _third = EventSource::open(&app, "bob").await;
    let refused = app.basket(Method::GET, "carol", "/alerts/stream").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");
    problem(refused).await;
    assert_eq!(app.see("carol").await["version"], 0, "other requests are answered");

    // The place of a client who went is free again once something that it is sent does not arrive.
    drop(first);
    with_a_mug(&pool, &app, &["alice"]).await;
    let mut version = 1;
    eventually("there is room again", SOON, async || {
        version += 1;
        change(&pool, version).await;
        let answer = app.basket(Method::GET, "carol", "/alerts/stream").send().await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn asking_for_the_head_of_a_stream_takes_no_place(pool: PgPool) {
    let app = Setup::of(&pool).with("APP__STREAMS__MAX_PER_BUYER", "1").spawn();
    for _ in 0..3 {
        let answer = app.basket(Method::HEAD, "alice", "/alerts/stream").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
    }
    EventSource::open(&app, "alice").await;
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn while_nobody_listens_the_database_is_not_asked(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let connections = async || -> i64 {
        sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'basket-api streams'",
        )
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    app.see("alice").await;
    assert_eq!(connections().await, 0);
    let stream = EventSource::open(&app, "alice").await;
    assert!(connections().await > 0);
    drop(stream);
}
