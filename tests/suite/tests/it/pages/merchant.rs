//! What merchants do in their pages.

use reqwest::{Client, redirect::Policy};

use super::{Shop, shop::add_to_cart};

#[tokio::test]
async fn a_merchant_changes_one_price_and_the_cart_is_told() {
    let shop = Shop::open().await;
    let (alice, merchant) = (shop.signed_in("alice", &[]), shop.signed_in("merle", &["merchant"]));
    add_to_cart(&alice, 7);
    merchant.goto("/merchant?name=&type_id=1");
    merchant.fill("#price-7", "88,80");
    merchant.press("Enter");
    merchant.see(".strip", "The new price is set");
    assert_eq!(merchant.value("#price-7"), "88.80");
    alice.see(".news", "€88.80");

    merchant.fill("#price-7", "cheap");
    merchant.press("Enter");
    merchant.see("[role=alert]", "is no price");
    assert_eq!(shop.merchant().price_of(7).await, "88.80");
}

#[tokio::test]
async fn a_merchant_sees_what_orders_have_reserved_beside_the_stock() {
    let shop = Shop::open().await;
    let merchant = shop.signed_in("merle", &["merchant"]);
    merchant.goto("/merchant/reservations");
    merchant.see("main", "Nothing is reserved");
    sqlx::raw_sql(
        "update product set reserved_stock = 2 where product_id = 7;
         insert into reservation (order_id, state) values ('019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11', 'reserved');
         insert into reservation_line values ('019ab2c5-8f3e-7d41-9c55-0c6a2f6f3b11', 7, 2);",
    )
    .execute(&shop.suite.catalog.pool)
    .await
    .unwrap();
    merchant.goto("/merchant?name=&type_id=1");
    merchant.see("tbody", "and 2 reserved");
    merchant.click("text=Reserved stock");
    merchant.see("tbody", "2 × product 7");
    merchant.see("tbody", "Reserved");
    assert_eq!(merchant.barriers(), [""; 0]);
}

#[tokio::test]
async fn a_percentage_over_a_filter_changes_each_price_by_itself() {
    let shop = Shop::open().await;
    let (alice, merchant) = (shop.signed_in("alice", &[]), shop.signed_in("merle", &["merchant"]));
    add_to_cart(&alice, 1);
    add_to_cart(&alice, 2);
    let other = shop.merchant().price_of(50).await;
    merchant.goto("/merchant?type_id=1");
    merchant.fill("#percent", "10");
    merchant.click("text=Preview");
    merchant.see("tbody", "€207.90");
    merchant.click("main button.primary");
    merchant.see("h2", "All prices are changed by +10");
    assert_eq!(merchant.count("tbody .rise"), 0, "none failed");
    assert_eq!(shop.merchant().price_of(1).await, "207.90");
    assert_eq!(shop.merchant().price_of(2).await, "273.90");
    assert_eq!(shop.merchant().price_of(50).await, other, "what the filter leaves out stays");
    alice.see(".badge", "2");
    alice.see(".news", "€273.90");
}

#[tokio::test]
async fn a_batch_goes_on_when_the_catalogue_comes_back() {
    let shop = Shop::open().await;
    let merchant = shop.signed_in("merle", &["merchant"]);
    merchant.goto("/merchant/batches/new?percent=-10&type_id=2");
    merchant.click("main button.primary");
    shop.catalog.signal(test_kit::Signal::STOP);
    merchant.see("#batch", "changed");
    shop.catalog.signal(test_kit::Signal::CONT);
    merchant.see("h2", "All prices are changed by −10");
}

#[tokio::test]
async fn a_merchant_adds_and_changes_a_product() {
    let shop = Shop::open().await;
    let merchant = shop.signed_in("merle", &["merchant"]);
    merchant.goto("/merchant/products/new");
    merchant.fill("#name", "Test kettle");
    merchant.fill("#price", "19.90");
    merchant.fill("#stock", "3");
    merchant.click("form.stack button");
    merchant.see("h1", "Test kettle");
    merchant.see(".stock", "Only 3 left");
    merchant.click("text=Edit this product");
    merchant.fill("#name", "Test kettle, large");
    merchant.click("form.stack button");
    merchant.see(".strip", "The product is changed.");
    merchant.goto("/?name=test%20kettle");
    merchant.see(".product .title", "Test kettle, large");

    merchant.goto("/merchant/products/new");
    merchant.fill("#name", "Too dear");
    merchant.fill("#price", "99999999999");
    merchant.click("form.stack button");
    merchant.see("[role=alert]", "price");
    assert_eq!(merchant.value("#name"), "Too dear", "what was typed stays");
}

#[tokio::test]
async fn a_change_that_somebody_else_was_faster_with_is_refused() {
    let shop = Shop::open().await;
    let merchant = shop.signed_in("merle", &["merchant"]);
    merchant.goto("/merchant");
    shop.merchant().price(7, "70.00").await;
    merchant.fill("#price-7", "80.00");
    merchant.press("Enter");
    merchant.see("[role=alert]", "Somebody else changed this product");
    assert_eq!(merchant.value("#price-7"), "70.00");
    assert_eq!(shop.merchant().price_of(7).await, "70.00");
}

#[tokio::test]
async fn buyers_cannot_do_what_merchants_can() {
    let shop = Shop::open().await;
    let buyer = shop.signed_in("alice", &[]);
    assert_eq!(buyer.count("text=Merchant"), 0);
    for path in
        ["/merchant", "/merchant/products/new", "/merchant/products/7", "/merchant/batches/new?percent=1"]
    {
        assert_eq!(buyer.goto(path), 403, "{path}");
        buyer.see("h1", "This is not for you");
    }
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    for path in [
        "/merchant/products",
        "/merchant/products/7",
        "/merchant/products/7/price",
        "/merchant/products/7/withdraw",
        "/merchant/batches",
    ] {
        let answer = client
            .post(format!("{}{path}", shop.storefront.url))
            .header("cookie", format!("shop-session={}", test_kit::token("alice", "")))
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("price=1&version=1&percent=10&name=x&type_id=1&brand_id=1")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
}
