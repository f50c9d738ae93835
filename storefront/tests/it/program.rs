//! What the program refuses to start with.

use std::process::Command;

fn refusal(settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
    command.env_clear().env("APP__HTTP__PORT", "0").envs(settings.iter().copied());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const URLS: [(&str, &str); 2] = [
    ("APP__SERVICES__CATALOG__URL", "http://127.0.0.1:1"),
    ("APP__SERVICES__BASKET__URL", "http://127.0.0.1:1"),
];

#[test]
fn in_production_it_takes_no_published_secret_and_no_tool_that_kills_processes() {
    let published = ("APP__AUTH__SECRET", "shop-development-secret-not-for-production");
    let error = refusal(&[&URLS[..], &[published]].concat());
    assert!(error.contains("published development secret"), "{error}");
    let own = ("APP__AUTH__SECRET", "a secret of one's own, for this test alone");
    let error = refusal(&[&URLS[..], &[own, ("APP__TOOL__PATH", "/bin/true")]].concat());
    assert!(error.contains("APP__TOOL__PATH"), "{error}");
}

#[test]
fn it_says_which_setting_is_missing() {
    let secret = ("APP__AUTH__SECRET", "a secret of one's own, for this test alone");
    assert!(refusal(&[secret]).contains("APP__SERVICES__CATALOG__URL"));
    assert!(refusal(&[secret, URLS[0]]).contains("APP__SERVICES__BASKET__URL"));
}

#[test]
fn the_pages_know_the_services_by_http_alone() {
    let manifest = include_str!("../../Cargo.toml");
    for foreign in ["sqlx", "lapin", "event-bus", "catalog-api", "basket-api", "outbox-relay"] {
        assert!(!manifest.contains(&format!("\n{foreign}")), "{foreign} is none of the pages' business");
    }
}
