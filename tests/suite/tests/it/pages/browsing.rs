//! The catalogue, as visitors see it.

use reqwest::Client;
use serde_json::json;

use super::Shop;

#[tokio::test]
async fn visitors_browse_filter_and_search_the_catalogue() {
    let shop = Shop::open().await;
    let page = shop.visitor("anna");
    page.goto("/");
    assert_eq!(page.count(".product"), 12);
    assert_eq!(page.text("main [role=status]"), "101 products");
    page.click("text=Backpacks");
    page.see("[aria-label=Types] [aria-current=true]", "Backpacks");
    page.choose("#brand", "Larkfell");
    page.click("text=Show");
    page.see("text=Clear", "");
    assert!(page.path().contains("brand_id=1") && page.path().contains("type_id=2"), "{}", page.path());
    let brands = page.texts(".product .faint");
    assert!(!brands.is_empty() && brands.iter().all(|brand| brand == "Larkfell"), "{brands:?}");

    page.goto("/");
    page.fill("#name", "tarn");
    page.press("Enter");
    page.see("text=Clear", "");
    let names = page.texts(".product .title");
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("Tarn")), "{names:?}");

    page.goto("/");
    let first = page.text(".product .title");
    page.click("text=Next");
    page.see(".pager", "Page 2 of 9");
    assert_ne!(page.text(".product .title"), first);
    assert_eq!(page.goto("/products/999999"), 404);
    page.see("h1", "There is nothing here");
    assert_eq!(page.faults(), [""; 0]);
}

#[tokio::test]
async fn a_filter_that_the_catalogue_refuses_is_ignored() {
    let shop = Shop::open().await;
    let page = shop.signed_in("anna", &["merchant"]);
    // In form C, which the catalogue counts in, each of these letters is two.
    let long = format!("name={}", "%E0%A5%98".repeat(60));
    for filter in ["type_id=3000000000", "brand_id=3000000000", &long] {
        for (path, products) in [("/", ".product"), ("/merchant", "tbody tr")] {
            assert_eq!(page.goto(&format!("{path}?{filter}")), 200, "{path}?{filter}");
            assert!(page.count(products) >= 12, "{path}?{filter}");
            assert_eq!((page.value("#name").as_str(), page.count("text=Clear")), ("", 0), "{path}?{filter}");
        }
    }
}

#[tokio::test]
async fn a_script_in_a_product_shows_as_text_on_every_page() {
    let shop = Shop::open().await;
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let answer = Client::new()
        .post(format!("{}/api/v1/catalog/items", shop.catalog.url))
        .bearer_auth(test_kit::token("merchant", "catalog:write"))
        .json(&json!({"name": evil, "description": evil, "price": "10.00", "typeId": 1, "brandId": 1}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let id = answer.json::<serde_json::Value>().await.unwrap()["id"].as_i64().unwrap();

    let page = shop.signed_in("anna", &["merchant"]);
    page.goto("/?name=%3Cscript");
    page.see(".product .title", evil);
    page.goto(&format!("/products/{id}"));
    page.see("h1", evil);
    page.see(".prose", evil);
    page.click("text=Add to cart");
    page.see(".line .title", evil);
    shop.merchant().price(id, "11.00").await;
    page.see(".news", evil);
    page.see(".toast", evil);
    page.goto("/merchant?name=%3Cscript");
    page.see("tbody th", evil);
    page.goto(&format!("/merchant/products/{id}"));
    assert_eq!(page.value("#name"), evil);
    assert_eq!(page.faults(), [""; 0], "nothing of it ran");
}

#[tokio::test]
async fn without_scripts_everything_works_but_being_live() {
    let shop = Shop::open().await;
    let page = shop.browser.open_without_script("anna", &shop.storefront.url);
    page.sign_in("anna", &["merchant"]);
    page.goto("/products/7");
    page.fill("#quantity", "2");
    page.click("text=Add to cart");
    page.see(".line .title", "");
    page.fill("#quantity-7", "3");
    page.click(".line .quantity button");
    page.see(".strip", "Your cart is changed.");
    shop.merchant().price(7, "99.00").await;
    shop.buyer("anna").until_price("99.00").await;
    page.reload();
    page.see(".news", "€99.00");
    page.see("#total", "€297.00");
    page.click("#acknowledge");
    page.see(".strip", "You have accepted the new prices.");
    assert_eq!(page.count(".news"), 0);
    page.click(".remove button");
    page.see("h2", "Your cart is empty");
    page.goto("/merchant/batches/new?percent=10&type_id=1");
    page.click("main button.primary");
    page.see("h2", "All prices are changed");
    page.click("text=Sign out");
    page.see(".you", "Sign in");
}
