//! The pages while every other service is unavailable.

use std::process::Command;

use reqwest::{Client, RequestBuilder, Response};
use test_kit::Process;

/// A port that nobody listens on: connecting fails at once.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";

fn start() -> Process {
    start_with(&[])
}

pub(crate) fn start_with(settings: &[(&str, &str)]) -> Process {
    start_checking_by(("APP__AUTH__SECRET", "shop-development-secret-not-for-production"), settings)
}

/// Starts it with what it checks tokens by.
fn start_checking_by(auth: (&str, &str), settings: &[(&str, &str)]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
    command
        .env_clear()
        .env("APP__MODE", "development")
        .env("APP__HTTP__PORT", "0")
        .env(auth.0, auth.1)
        .env("APP__SERVICES__CATALOG__URL", NOBODY)
        .env("APP__SERVICES__BASKET__URL", NOBODY)
        .envs(settings.iter().copied());
    Process::start("storefront", command)
}

/// A client that follows no redirect.
fn client() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A form that a page of the shop sends.
pub(crate) fn form(storefront: &Process, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let request = client().post(format!("{}{path}", storefront.url)).header("sec-fetch-site", "same-origin");
    let body = serde_urlencoded::to_string(fields).unwrap();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

#[tokio::test]
async fn it_is_ready_and_its_pages_say_what_is_missing() {
    let storefront = start();
    storefront.until_ready(true).await;
    let answer = reqwest::get(&storefront.url).await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(text.contains("The catalogue does not answer"), "{text}");
    assert!(text.contains("data-missing"), "the page asks again by itself: {text}");
    assert!(text.contains(r#"http-equiv="refresh""#), "also without scripts: {text}");
    assert_eq!(reqwest::get(format!("{}/sign-in", storefront.url)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_name_that_is_path_syntax_is_refused_at_the_door() {
    let storefront = start();
    let sign_in = async |name: &str| {
        let request = form(&storefront, "/sign-in", &[("name", name), ("next", "/cart")]);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("set-cookie"), answer.text().await.unwrap())
    };
    for name in ["", " ", ".", "..", "...", "a/b", "../b", "a\\b", "%2e%2e", "a?b", "a#b", "a\tb", "a b", "é"]
    {
        let (status, is_signed_in, page) = sign_in(name).await;
        assert_eq!((status, is_signed_in), (422, false), "{name:?}");
        assert!(page.contains("letters, digits and -_.@+:|"), "{page}");
    }
    for name in ["anna", "a.b", " .anna ", "anna@example.org"] {
        assert_eq!(sign_in(name).await.0, 303, "{name:?}");
    }
}

#[tokio::test]
async fn a_problem_is_a_page_and_names_its_request() {
    let storefront = start();
    let client = reqwest::Client::new();
    for (path, status) in [("/no-such-page", 404), ("/products/x", 400), ("/pictures/1", 503)] {
        let request = client.get(format!("{}{path}", storefront.url)).header("x-request-id", "my-request");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("my-request"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_file_whose_content_changes_gets_another_address() {
    let storefront = start();
    let text = reqwest::get(&storefront.url).await.unwrap().text().await.unwrap();
    let style = text.split('"').find(|part| part.starts_with("/assets/shop.css")).unwrap();
    assert!(style.contains("?v="), "{style}");
    let answer = reqwest::get(format!("{}{style}", storefront.url)).await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn the_control_room_shows_every_service_of_the_settings() {
    let storefront = start_with(&[
        ("APP__RELAY__URL", NOBODY),
        ("APP__SERVICES__CATALOG__PUBLISHES", "true"),
        ("APP__SERVICES__BASKET__SUBSCRIBES", "true"),
        ("APP__SERVICES__GIFT_WRAPPING__URL", NOBODY),
        ("APP__SERVICES__GIFT_WRAPPING__PUBLISHES", "true"),
        ("APP__SERVICES__GIFT_WRAPPING__SUBSCRIBES", "true"),
    ]);
    let page = operator_page(&storefront, "/ops").await;
    for card in ["outbox-catalog", "outbox-gift_wrapping", "inbox-basket", "inbox-gift_wrapping"] {
        assert!(page.contains(&format!(r#"id="{card}""#)), "{card}: {page}");
    }
    assert!(!page.contains("inbox-catalog"), "the catalog has no inbox: {page}");
    assert!(page.contains("The gift wrapping does not answer"), "{page}");
    let page = operator_page(&storefront, "/ops/waiting").await;
    for subscriber in ["waiting-basket", "waiting-gift_wrapping"] {
        assert!(page.contains(&format!(r#"id="{subscriber}""#)), "{subscriber}: {page}");
    }
    let page = operator_page(&storefront, "/ops/dead-letters").await;
    for subscriber in ["dead-letters-basket", "dead-letters-gift_wrapping"] {
        assert!(page.contains(&format!(r#"id="{subscriber}""#)), "{subscriber}: {page}");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_checked_now_is_not_over() {
    let storefront = start_checking_by(("APP__AUTH__JWKS_URL", NOBODY), &[]);
    let session = format!("shop-session={}", test_kit::signed_token("olga", "ops"));
    let get = async |path: &str, cookie: &str| -> Response {
        client().get(format!("{}{path}", storefront.url)).header("cookie", cookie).send().await.unwrap()
    };
    let cart = get("/cart", &session).await;
    assert_eq!(cart.status(), 503);
    assert!(cart.headers().contains_key("retry-after"), "{:?}", cart.headers());
    let page = cart.text().await.unwrap();
    assert!(page.contains("Just a moment"), "{page}");
    let add = form(&storefront, "/cart/items/1/add", &[("quantity", "1")]).header("cookie", &session);
    assert_eq!(add.send().await.unwrap().status(), 503);
    let sign_in = form(&storefront, "/sign-in", &[("name", "anna")]);
    assert_eq!(sign_in.send().await.unwrap().status(), 503, "nothing is wrong with the token");
    // A page that needs no user is there, and who has no session is asked to sign in.
    assert_eq!(get("/sign-in", &session).await.status(), 200);
    assert_eq!(get("/cart", "").await.status(), 303);
    assert_eq!(get("/cart", "shop-session=nonsense").await.status(), 303);
}

#[tokio::test]
async fn prices_are_accepted_of_the_alerts_that_a_form_names_and_of_all_only_where_it_names_none() {
    let storefront = start();
    let session = format!("shop-session={}", test_kit::token("anna", ""));
    // What can be read is sent to the cart, which does not answer.
    for (ids, status) in [("x", 400), ("1,x", 400), ("1,,2", 400), (",", 400), ("1, 2", 503), ("", 503)] {
        let accept = form(&storefront, "/cart/acknowledge", &[("ids", ids)]).header("cookie", &session);
        assert_eq!(accept.send().await.unwrap().status(), status, "{ids:?}");
    }
}

pub(crate) async fn operator_page(storefront: &Process, path: &str) -> String {
    let request = reqwest::Client::new().get(format!("{}{path}", storefront.url));
    let session = format!("shop-session={}", test_kit::token("olga", "ops"));
    let answer = request.header("cookie", session).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}
