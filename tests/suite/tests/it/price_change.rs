//! The way of one price change.

use std::time::Duration;

use futures_util::StreamExt;
use suite_tests::{Buyer, Merchant, Suite};

#[tokio::test]
async fn a_price_change_reaches_the_cart_and_the_buyer_is_told_once() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let (merchant, alice, bob) =
        (Merchant::of(&catalog), Buyer::of(&basket, "alice"), Buyer::of(&basket, "bob"));
    let before = merchant.price_of(7).await;
    alice.takes(7, 2).await;
    bob.takes(8, 1).await;

    merchant.price(7, "123.45").await;
    let cart = alice.until_price("123.45").await;
    assert_eq!(cart["items"][0]["oldUnitPrice"], before.as_str());
    assert_eq!(cart["total"], "246.90");
    assert_eq!(alice.alerts().await, [(before, "123.45".to_owned())]);
    assert!(bob.alerts().await.is_empty(), "who does not hold the product hears nothing");
}

#[tokio::test]
async fn an_alert_appears_on_a_stream_of_another_process() {
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let other = suite.start_basket(&catalog, &[]);
    let alice = Buyer::of(&basket, "alice");
    alice.takes(7, 1).await;

    // One of the two processes consumes; a stream is open on each.
    let mut streams = Vec::new();
    for process in [&basket, &other] {
        let request = Buyer::of(process, "alice").request(reqwest::Method::GET, "/alerts/stream");
        streams.push(request.send().await.unwrap().bytes_stream());
    }
    Merchant::of(&catalog).price(7, "99.00").await;
    for mut stream in streams {
        let mut seen = String::new();
        while !seen.contains("event: price-alert") {
            let chunk = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
            let chunk = chunk.expect("an alert within 20 s").expect("the stream goes on").unwrap();
            seen.push_str(&String::from_utf8_lossy(&chunk));
        }
        assert!(seen.contains(r#""newPrice":"99.00""#), "{seen}");
    }
}
