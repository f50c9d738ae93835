//! A visitor's whole way, in a shop of this test's own, or in one that runs already, wherever that is: under `cargo shop
//! up`, in containers, on a cluster.

use std::{env::var, time::Duration};

use reqwest::Client;
use serde_json::json;
use suite_tests::browser::Browser;
use test_kit::eventually;
use uuid::Uuid;

use super::{
    Shop,
    accounts::{PASSWORD, register, sign_in},
    orders::check_out,
    shop::{add_to_cart, until_live},
};

/// Its servers may be slow, and an order has a grace period.
const LONG: Duration = Duration::from_mins(2);

#[tokio::test]
async fn a_visitor_comes_from_the_registration_to_a_paid_order() {
    if var("RUNNING_SHOP").is_ok() {
        let [storefront, catalog, token] =
            ["STOREFRONT_URL", "CATALOG_URL", "OPS_TOKEN"].map(|name| var(name).expect(name));
        visit(&Browser::start(), &storefront, &catalog, &token).await;
    } else {
        let (shop, _others) = Shop::whole().await;
        let token = test_kit::token("merchant", "catalog:write");
        visit(&shop.browser, &shop.storefront.url, &shop.catalog.url, &token).await;
    }
}

/// Registers, validates the address, signs in, sees a price alert in the open cart, and orders. The token may set prices.
async fn visit(browser: &Browser, storefront: &str, catalog: &str, token: &str) {
    let page = browser.open("visitor", storefront);
    let email = format!("{}@example.org", Uuid::now_v7());

    register(&page, "Eve", &email, PASSWORD);
    page.see("#sent", &email);
    eventually("the mail is in the mailbox", LONG, async || {
        page.goto(&format!("/mail?to={email}"));
        (page.count("#mails article") == 1).then_some(())
    })
    .await;
    page.click("#mails a");
    page.click("main button");
    page.see("h1", "Your address is validated");
    sign_in(&page, &email, PASSWORD);
    page.see(".who", "Your profile");

    add_to_cart(&page, 7);
    until_live(&page).await;
    let price = format!("{}.25", 100 + chrono::Utc::now().timestamp() % 100);
    let change = Client::new().put(format!("{catalog}/api/v1/catalog/items/7/price"));
    let answer = change.bearer_auth(token).json(&json!({"price": price})).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a new price");
    page.see_within(".news", &format!("€{price}"), LONG);
    page.click("#acknowledge");
    page.see(".strip", "You have accepted the new prices.");

    check_out(&page, "Test card that pays");
    page.see(".strip", "Your order is placed.");
    page.see_within("#status-title", "Paid", LONG);
    assert_eq!(page.text("#total"), format!("€{price}"));
    assert_eq!((page.barriers(), page.faults()), (Vec::new(), Vec::new()));
}
