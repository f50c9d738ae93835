//! Pages whose services are unavailable.

use super::{
    Shop,
    shop::{add_to_cart, until_live},
};

#[tokio::test]
async fn pages_say_which_part_is_missing_and_come_back_by_themselves() {
    let mut shop = Shop::open().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    until_live(&page).await;

    shop.basket.signal(test_kit::Signal::STOP);
    assert_eq!(page.goto("/cart"), 503);
    page.see("[data-missing]", "The cart does not answer");
    assert_eq!(page.goto("/"), 200, "the catalogue is there without the cart");
    page.see(".product .title", "");
    page.see(".count", "?");
    page.goto("/cart");
    shop.basket.signal(test_kit::Signal::CONT);
    page.see(".line .title", "");

    shop.catalog.signal(test_kit::Signal::STOP);
    assert_eq!(page.goto("/"), 503);
    page.see("[data-missing]", "The catalogue does not answer");
    assert_eq!(page.goto("/cart"), 200, "the cart is there without the catalogue");
    page.see(".line .title", "");
    page.goto("/");
    shop.catalog.signal(test_kit::Signal::CONT);
    page.see(".product .title", "");

    // The pages' own server: what is open says so, and is live again with the next one.
    page.goto("/cart");
    until_live(&page).await;
    let address = shop.storefront.url.rsplit_once(':').unwrap().1.to_owned();
    shop.storefront.signal(test_kit::Signal::KILL);
    shop.storefront.ended().await;
    page.see("#live-state", "Live updates are interrupted");
    shop.storefront =
        shop.suite.start_storefront(&shop.catalog, &shop.basket, &[("APP__HTTP__PORT", &address)]);
    page.gone("#live-state");
    shop.merchant().price(7, "123.45").await;
    page.see(".news", "€123.45");
}
