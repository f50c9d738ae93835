//! The consumer is killed at each point of its way.
#![cfg(feature = "crash-points")]

use std::time::Duration;

use suite_tests::{Buyer, Merchant, Suite};
use test_kit::{Process, eventually};

/// Dies at a point while three price changes arrive, and raises the alerts of a buyer whom no other point has.
async fn survives(suite: &Suite, catalog: &Process, point: &str) {
    let basket = suite.start_basket(catalog, &[]);
    let merchant = Merchant::of(catalog);
    let buyer = point.replace('.', "-");
    let alice = Buyer::of(&basket, &buyer);
    alice.takes(7, 1).await;
    merchant.price(7, "40.00").await;
    alice.until_price("40.00").await;
    drop(basket);

    let mut doomed = suite.start_basket(catalog, &[("CRASH_POINT", point)]);
    for price in ["41.00", "42.00", "43.00"] {
        merchant.price(7, price).await;
    }
    let status = doomed.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "killed at {point}");

    let basket = suite.start_basket(catalog, &[]);
    let alice = Buyer::of(&basket, &buyer);
    alice.until_price("43.00").await;
    let told: Vec<String> = alice.until_alerts(4).await.into_iter().map(|(_, new)| new).collect();
    assert_eq!(told, ["43.00", "42.00", "41.00", "40.00"], "each once after {point}");
}

/// The process dies while it tries a price change again, with others behind it.
async fn survives_another_try(point: &str) {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let relay = suite.start_relay(&[]);
    let mut doomed = suite.start_basket(&catalog, &[("CRASH_POINT", point)]);
    let merchant = Merchant::of(&catalog);
    let alice = Buyer::of(&doomed, "alice");
    alice.takes(7, 1).await;
    let failing =
        "create function fail() returns trigger language plpgsql as $$ begin raise 'broken'; end $$;
                   create trigger fail before insert on alert for each row execute function fail()";
    sqlx::raw_sql(failing).execute(&suite.basket.pool).await.unwrap();
    for price in ["41.00", "42.00", "43.00"] {
        merchant.price(7, price).await;
    }
    eventually("the first one waits", Duration::from_secs(20), async || {
        let waiting = sqlx::query_scalar("select exists (select from inbox_waiting)");
        let waiting: bool = waiting.fetch_one(&suite.basket.pool).await.unwrap();
        waiting.then_some(())
    })
    .await;
    sqlx::raw_sql("drop function fail cascade").execute(&suite.basket.pool).await.unwrap();
    let status = doomed.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "killed at {point}");

    let basket = suite.start_basket(&catalog, &[]);
    let alice = Buyer::of(&basket, "alice");
    alice.until_price("43.00").await;
    let told: Vec<String> = alice.until_alerts(3).await.into_iter().map(|(_, new)| new).collect();
    assert_eq!(told, ["43.00", "42.00", "41.00"], "each once after {point}");
    drop(relay);
}

#[tokio::test]
async fn killed_before_the_effect_of_an_event_that_waited_each_alert_appears_once() {
    survives_another_try("waiting.before_effect").await;
}

#[tokio::test]
async fn killed_after_the_effect_of_an_event_that_waited_each_alert_appears_once() {
    survives_another_try("waiting.after_effect").await;
}

#[tokio::test]
async fn killed_anywhere_on_the_way_of_an_event_each_alert_appears_once() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    for point in [
        "consumer.after_delivery",
        "consumer.after_inbox",
        "consumer.before_commit",
        "consumer.after_commit",
        "consumer.after_ack",
    ] {
        survives(&suite, &catalog, point).await;
    }
}
