//! The pages while every other service is unavailable.

use std::process::Command;

use test_kit::Process;

/// A port that nobody listens on: connecting fails at once.
const NOBODY: &str = "http://127.0.0.1:1";

fn start() -> Process {
    start_with(&[])
}

fn start_with(settings: &[(&str, &str)]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
    command
        .env_clear()
        .env("APP__MODE", "development")
        .env("APP__HTTP__PORT", "0")
        .env("APP__AUTH__SECRET", "shop-development-secret-not-for-production")
        .env("APP__SERVICES__CATALOG__URL", NOBODY)
        .env("APP__SERVICES__BASKET__URL", NOBODY)
        .envs(settings.iter().copied());
    Process::start("storefront", command)
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
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sign_in = async |name: &str| {
        let request =
            client.post(format!("{}/sign-in", storefront.url)).header("sec-fetch-site", "same-origin");
        let form = serde_urlencoded::to_string([("name", name), ("next", "/cart")]).unwrap();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
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

async fn operator_page(storefront: &Process, path: &str) -> String {
    let request = reqwest::Client::new().get(format!("{}{path}", storefront.url));
    let session = format!("shop-session={}", test_kit::token("olga", "ops"));
    let answer = request.header("cookie", session).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}
