//! The relay is killed.

use suite_tests::{Buyer, Merchant, Suite};

#[tokio::test]
async fn a_price_that_changed_while_no_relay_ran_arrives_when_one_starts() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let (merchant, alice) = (Merchant::of(&catalog), Buyer::of(&basket, "alice"));
    alice.takes(7, 1).await;
    merchant.price(7, "50.00").await;
    alice.until_price("50.00").await;

    drop(relay);
    for price in ["51.00", "52.00", "53.00"] {
        merchant.price(7, price).await;
    }
    assert_eq!(alice.alerts().await.len(), 1, "the catalog answers, and nothing arrives");

    let _relay = suite.start_relay(&[]);
    alice.until_price("53.00").await;
    let told = alice.until_alerts(4).await;
    let told: Vec<&str> = told.iter().map(|(_, new)| new.as_str()).collect();
    assert_eq!(told, ["53.00", "52.00", "51.00", "50.00"], "every change, in order, once");
}

#[cfg(feature = "crash-points")]
#[tokio::test]
async fn killed_between_confirm_and_mark_the_relay_sends_again_and_the_cart_shows_one_alert() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let (merchant, alice) = (Merchant::of(&catalog), Buyer::of(&basket, "alice"));
    let first = suite.start_relay(&[]);
    alice.takes(7, 1).await;
    merchant.price(7, "50.00").await;
    alice.until_price("50.00").await;
    drop(first);

    merchant.price(7, "60.00").await;
    let mut relay = suite.start_relay(&[("CRASH_POINT", "relay.before_mark")]);
    let status = relay.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "it killed itself there");
    alice.until_price("60.00").await;
    let state = "select state from integration_event_log order by position desc limit 1";
    let before: String = sqlx::query_scalar(state).fetch_one(&suite.catalog.pool).await.unwrap();
    assert_eq!(before, "NotPublished", "confirmed and consumed, and not marked");

    let _relay = suite.start_relay(&[]);
    test_kit::eventually("the repeat is absorbed", std::time::Duration::from_secs(20), async || {
        let metrics = reqwest::get(format!("{}/metrics", basket.url)).await.ok()?.text().await.ok()?;
        let line = r#"inbox_deliveries_total{consumer="basket",receipt="repeated"} "#;
        let repeated = metrics.lines().find_map(|text| text.strip_prefix(line))?.parse::<u64>().ok()?;
        (repeated >= 1).then_some(())
    })
    .await;
    assert_eq!(alice.alerts().await.len(), 2, "one alert for each change");
    let after: String = sqlx::query_scalar(state).fetch_one(&suite.catalog.pool).await.unwrap();
    assert_eq!(after, "Published");
}
