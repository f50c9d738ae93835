//! While everything else is away.

use std::process::Command;

use test_kit::Process;

/// A port that nobody listens on: connecting fails at once.
const NOBODY: &str = "http://127.0.0.1:1";

fn start() -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
    command
        .env_clear()
        .env("APP__MODE", "development")
        .env("APP__HTTP__PORT", "0")
        .env("APP__AUTH__SECRET", "shop-development-secret-not-for-production")
        .env("APP__SERVICES__CATALOG__URL", NOBODY)
        .env("APP__SERVICES__BASKET__URL", NOBODY);
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
