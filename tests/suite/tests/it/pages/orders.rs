//! From the cart to an order that is paid, cancelled or declined.

use std::time::Duration;

use suite_tests::browser::Page;

use super::{
    Shop,
    shop::{add_to_cart, until_live},
};

/// How soon an order has gone its way.
const LONG: Duration = Duration::from_secs(20);

/// Orders what is in the cart, with this card.
pub(super) fn check_out(page: &Page, card: &str) {
    page.goto("/checkout");
    for (field, text) in [
        ("name", "Alice"),
        ("street", "Trail 7"),
        ("postcode", "1234"),
        ("city", "Tarn"),
        ("country", "Norway"),
    ] {
        page.fill(&format!("#{field}"), text);
    }
    page.choose("#card", card);
    page.click("#order");
}

#[tokio::test]
async fn a_buyer_orders_and_sees_the_order_paid_without_a_reload() {
    let (shop, _orders) = Shop::with_orders().await;
    let page = shop.signed_in("alice", &["merchant"]);
    add_to_cart(&page, 7);
    let total = page.text("#total");
    check_out(&page, "Test card that pays");
    page.see(".strip", "Your order is placed.");
    until_live(&page).await;
    page.see_within("#status-title", "Paid", LONG);
    assert_eq!(page.text("#total"), total);
    assert_eq!(page.count("#cancel"), 0, "what is paid is not cancelled any more");
    assert_eq!(page.barriers(), [""; 0]);

    page.goto("/merchant/orders");
    page.click(".order button");
    page.see(".strip", "The order is shipped.");
    page.goto("/orders");
    page.see_within(".status", "Shipped", LONG);
    page.goto("/cart");
    page.see_within(".empty", "Your cart is empty", LONG);
    assert_eq!(page.faults(), [""; 0]);
}

#[tokio::test]
async fn an_order_can_be_cancelled_in_its_grace_period() {
    let (shop, orders) = Shop::with_orders().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    check_out(&page, "Test card that pays");
    page.click("#cancel");
    page.see_within("#status-title", "Cancelled", LONG);
    page.see("#reason", "cancelled by its buyer");
    let ledger = reqwest::get(format!("{}/ledger", orders.sandbox.url)).await.unwrap();
    assert_eq!(ledger.text().await.unwrap(), r#"{"charges":[]}"#);
}

#[tokio::test]
async fn a_declined_payment_is_explained() {
    let (shop, _orders) = Shop::with_orders().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    check_out(&page, "Test card that is declined");
    page.see_within("#status-title", "Cancelled", LONG);
    page.see("#reason", "The payment was declined");
}

#[tokio::test]
async fn a_price_that_changes_at_the_checkout_is_shown_before_anything_is_ordered() {
    let (shop, _orders) = Shop::with_orders().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    page.goto("/checkout");
    shop.merchant().price(7, "123.45").await;
    shop.buyer("alice").until_price("123.45").await;
    for field in ["name", "street", "postcode", "city", "country"] {
        page.fill(&format!("#{field}"), "Tarn");
    }
    page.click("#order");
    page.see("#fault", "Nothing was ordered");
    assert_eq!(page.text("#total"), "€123.45");
    assert_eq!(page.value("#name"), "Tarn", "what was filled in stays");
    page.click("#order");
    page.see(".strip", "Your order is placed.");
}

#[tokio::test]
async fn no_page_about_orders_has_a_serious_barrier_or_is_wider_than_a_phone() {
    let (shop, _orders) = Shop::with_orders().await;
    let page = shop.signed_in("alice", &["merchant"]);
    add_to_cart(&page, 7);
    check_out(&page, "Test card that pays");
    let order = page.path();
    page.see_within("#status-title", "Paid", LONG);
    add_to_cart(&page, 8);
    let phone = shop.browser.open_phone("phone", &shop.storefront.url);
    phone.sign_in("alice", &["merchant"]);
    let mut found = Vec::new();
    for path in ["/cart", "/checkout", "/orders", &order, "/merchant/orders"] {
        page.goto(path);
        phone.goto(path);
        found.extend(page.barriers().into_iter().map(|barrier| format!("{path}: {barrier}")));
        if phone.overflow() > 0 {
            found.push(format!("{path}: sticks out of a phone by {} pixels", phone.overflow()));
        }
    }
    found.extend(page.faults());
    found.extend(phone.faults());
    assert!(found.is_empty(), "{found:#?}");
}
