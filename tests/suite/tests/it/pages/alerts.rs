//! The price alert, live in the cart.

use std::time::Duration;

use super::{
    Shop,
    shop::{add_to_cart, until_live},
};

/// How soon an alert has to be seen.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_price_change_appears_in_the_open_cart_without_a_reload() {
    let shop = Shop::open().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    let before = page.text("#total");
    until_live(&page).await;

    shop.merchant().price(7, "123.45").await;
    page.see_within(".news", "€123.45", SOON);
    page.see_within(".line.moved ins", "€123.45", SOON);
    page.see_within(".badge", "1", SOON);
    page.see_within("#toasts", "now costs €123.45", SOON);
    assert_eq!(page.text("#total"), "€123.45");
    assert_eq!(
        page.text(".line del"),
        format!("was {before}"),
        "the price that was accepted stays beside it"
    );
    assert!(
        page.text(".news strong").contains('%'),
        "the difference is shown: {}",
        page.text(".news strong")
    );

    page.click("#acknowledge");
    page.see(".strip", "You have accepted the new prices.");
    assert_eq!(page.count(".news"), 0);
    assert_eq!(page.count(".badge"), 0);
    assert_eq!(page.faults(), [""; 0]);
}

#[tokio::test]
async fn while_the_relay_is_dead_no_alert_comes_and_once_it_runs_it_does() {
    let mut shop = Shop::open().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    until_live(&page).await;
    // One change has come through: what follows is the relay's doing, not a page that hears nothing.
    shop.merchant().price(7, "50.00").await;
    page.see_within(".news", "€50.00", SOON);

    drop(shop.relay.take());
    shop.merchant().price(7, "60.00").await;
    // Long after it would have been seen, by the measure of the first one.
    tokio::time::sleep(SOON).await;
    assert!(!page.text(".news").contains("€60.00"), "{}", page.text(".news"));
    shop.relay = Some(shop.suite.start_relay(&[]));
    page.see(".news", "€60.00");
    page.see("#total", "€60.00");
}

#[tokio::test]
async fn another_buyer_sees_nothing_of_it() {
    let shop = Shop::open().await;
    let (alice, bob) = (shop.signed_in("alice", &[]), shop.signed_in("bob", &[]));
    add_to_cart(&alice, 7);
    add_to_cart(&bob, 8);
    until_live(&alice).await;
    until_live(&bob).await;
    shop.merchant().price(7, "123.45").await;
    alice.see_within(".news", "€123.45", SOON);
    // Bob's own alert comes after Alice's: had hers reached him, it would be there by now.
    shop.merchant().price(8, "77.00").await;
    bob.see_within(".news", "€77.00", SOON);
    assert_eq!(bob.count(".news li"), 1);
    assert!(!bob.text("main").contains("123.45"));
}

#[tokio::test]
async fn two_tabs_and_two_devices_of_one_buyer_agree() {
    let shop = Shop::open().await;
    let here = shop.signed_in("alice", &[]);
    let tab = shop.browser.open_beside("tab", &here);
    // A device that another process of the pages serves.
    let other = shop.suite.start_storefront(&shop.catalog, &shop.basket, &[]);
    let phone = shop.browser.open_phone("phone", &other.url);
    phone.sign_in("alice", &[]);
    tab.goto("/cart");
    phone.goto("/");
    until_live(&tab).await;
    until_live(&phone).await;

    add_to_cart(&here, 7);
    tab.see_within(".count", "1", SOON);
    tab.see(".line", "");
    phone.see(".count", "1");
    shop.merchant().price(7, "123.45").await;
    tab.see_within(".badge", "1", SOON);
    phone.see_within(".badge", "1", SOON);
    here.see_within(".badge", "1", SOON);
    here.click("#acknowledge");
    here.see(".strip", "You have accepted the new prices.");
    tab.gone(".badge");
    phone.gone(".badge");
}

#[tokio::test]
async fn a_withdrawn_product_shows_as_unavailable_at_once() {
    let shop = Shop::open().await;
    let (alice, merchant) = (shop.signed_in("alice", &[]), shop.signed_in("merle", &["merchant"]));
    add_to_cart(&alice, 7);
    until_live(&alice).await;
    merchant.goto("/merchant/products/7");
    merchant.check("#sure");
    merchant.click("text=Withdraw >> nth=-1");
    merchant.see(".strip", "withdrawn");
    alice.see(".line.gone", "No longer available");
    alice.see(".news", "no longer sold");
    assert_eq!(alice.text("#total"), "€0.00");
    assert_eq!(alice.goto("/products/7"), 404);
}
