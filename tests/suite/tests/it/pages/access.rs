//! Who may see and do what.

use reqwest::{Client, Response, redirect::Policy};
use test_kit::Process;

use super::Shop;

/// Every way in which a page changes something.
const FORMS: [&str; 34] = [
    "/sign-in",
    "/sign-out",
    "/sign-in/account",
    "/register",
    "/validate",
    "/profile/digest",
    "/profile/erase",
    "/cart/items/7/add",
    "/cart/items/7",
    "/cart/items/7/remove",
    "/cart/acknowledge",
    "/lists",
    "/lists/products",
    "/lists/0197a2b4-6c1e-7d30-9f52-3a8b5c6d7e8f",
    "/lists/0197a2b4-6c1e-7d30-9f52-3a8b5c6d7e8f/delete",
    "/lists/0197a2b4-6c1e-7d30-9f52-3a8b5c6d7e8f/products/7/remove",
    "/merchant/products",
    "/merchant/products/7",
    "/merchant/products/7/price",
    "/merchant/products/7/withdraw",
    "/merchant/batches",
    "/merchant/batches/01a204eb-276b-703a-9953-1382f3256e2d/again",
    "/ops/events/01a204eb-276b-703a-9953-1382f3256e2d/requeue",
    "/ops/events/01a204eb-276b-703a-9953-1382f3256e2d/skip",
    "/ops/dead-letters/replay",
    "/ops/dead-letters/discard",
    "/ops/waiting/requeue",
    "/ops/waiting/skip",
    "/ops/bulk",
    "/ops/scheduled/01a204eb-276b-703a-9953-1382f3256e2d/cancel",
    "/ops/processes/relay/kill",
    "/checkout",
    "/orders/0197a2b4-6c1e-7d30-9f52-3a8b5c6d7e8f/cancel",
    "/merchant/orders/0197a2b4-6c1e-7d30-9f52-3a8b5c6d7e8f/ship",
];

async fn post(storefront: &Process, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let mut request = client
        .post(format!("{}{path}", storefront.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("name=mallory&quantity=1&price=1&version=1&percent=10&type_id=1&brand_id=1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let shop = Shop::open().await;
    let session = format!("shop-session={}", test_kit::token("alice", "catalog:write ops"));
    for path in FORMS {
        for credentials in [
            &[("cookie", session.as_str())][..],
            &[("cookie", &session), ("sec-fetch-site", "cross-site")],
            &[("cookie", &session), ("sec-fetch-site", "same-site")],
            &[("cookie", &session), ("origin", "null")],
            &[("cookie", &session), ("origin", "https://evil.example")],
        ] {
            assert_eq!(
                post(&shop.storefront, path, credentials).await.status(),
                403,
                "{path} {credentials:?}"
            );
        }
    }
    assert!(shop.buyer("alice").cart().await["items"].as_array().unwrap().is_empty());
    let ours = [("cookie", session.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(post(&shop.storefront, "/cart/items/7/add", &ours).await.status(), 303);
    assert_eq!(shop.buyer("alice").cart().await["items"][0]["productId"], 7);
}

#[tokio::test]
async fn who_has_not_signed_in_is_asked_to_and_comes_back() {
    let shop = Shop::open().await;
    let page = shop.visitor("alice");
    page.goto("/cart");
    page.see("h1", "Sign in");
    page.fill("#name", "not a name");
    page.click("main button");
    page.see("[role=alert]", "A name, or a token's subject, is");
    page.fill("#name", "alice");
    page.click("main button");
    page.see("h1", "Your cart");
    for forged in ["", "nonsense", &test_kit::expired_token("alice", "ops")] {
        let session = format!("shop-session={forged}");
        let headers = [("cookie", session.as_str()), ("sec-fetch-site", "same-origin")];
        let answer = post(&shop.storefront, "/cart/items/7/add", &headers).await;
        assert!(answer.headers()["location"].to_str().unwrap().starts_with("/sign-in"), "{forged:?}");
    }
    assert!(shop.buyer("alice").cart().await["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_session_is_out_of_reach_of_scripts_and_of_other_sites() {
    let shop = Shop::open().await;
    let ours = [("sec-fetch-site", "same-origin")];
    let answer = post(&shop.storefront, "/sign-in", &ours).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let page = reqwest::get(&shop.storefront.url).await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick="), "{text}");
}

#[tokio::test]
async fn in_production_nobody_signs_in_by_name() {
    let shop = Shop::open().await;
    let secret = "a secret of one's own, for this test alone";
    let settings = [("APP__MODE", "production"), ("APP__AUTH__SECRET", secret)];
    let storefront = shop.suite.start_storefront(&shop.catalog, &shop.basket, &settings);
    let page = shop.browser.open("mallory", &storefront.url);
    page.goto("/sign-in");
    assert_eq!(page.count("#name"), 0);
    assert_eq!(page.count("#token"), 1);
    assert!(!page.text("body").contains("Development mode"));
    let answer = post(&storefront, "/sign-in", &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(answer.status(), 422);
    assert!(answer.headers().get("set-cookie").is_none());
    page.fill("#token", &test_kit::token("mallory", "ops"));
    page.click("main button");
    page.see("[role=alert]", "not valid here");
}
