//! docs/registration.md, run as it stands there, and what happens while services are down.

use std::{process::Command, time::Duration};

use rustix::process::Signal;
use serde_json::Value;
use suite_tests::{Accounts, Mail, Suite};
use test_kit::eventually;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_registration_by_curl_works_as_pasted() {
    let suite = Suite::set_up().await;
    let accounts = Accounts::open(&suite).await;
    let mail = Mail::open(&suite).await;
    let catalog = suite.start_catalog(&[]);
    let [(name, keys), (secret, none)] = accounts.trust();
    let basket = suite.start_basket(&catalog, &[(name, &keys), (secret, &none)]);
    basket.until_ready(true).await;

    let page = include_str!("../../../../docs/registration.md");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 4);
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &blocks.join("echo; echo ---\n")])
        .env("ACCOUNTS_URL", &accounts.accounts.url)
        .env("BASKET_URL", &basket.url)
        .env("MAILBOX_URL", &mail.mailbox.url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("/problems/"), "{text}");
    let [_, validated, lists, gone] = text.split("---\n").collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(validated.contains(r#""status":"validated""#), "{text}");
    assert!(lists.contains(r#""name":"Favourites","public":false"#), "{text}");
    assert_eq!(lists.matches(r#""name":"Wishes","public":true"#).count(), 2, "{text}");
    assert!(gone.contains(r#""count":0"#), "{text}");
}

#[tokio::test]
async fn who_registers_while_the_services_that_react_are_down_misses_nothing() {
    let suite = Suite::set_up().await;
    let accounts = Accounts::open(&suite).await;
    // Both have been there once, and so have their queues.
    let mut mail = Mail::open(&suite).await;
    let catalog = suite.start_catalog(&[]);
    let mut basket = suite.start_basket(&catalog, &[]);
    basket.until_ready(true).await;
    for process in [&mut mail.notifier, &mut basket] {
        process.signal(Signal::KILL);
        process.ended().await;
    }
    assert_eq!(accounts.register("Ada", "ada@example.org", "correct horse battery").await, 202);
    eventually("the user is there", SOON, async || accounts.user("ada@example.org").await).await;

    mail.restart_notifier(&suite).await;
    let basket = suite.start_basket(&catalog, &[]);
    let mails = eventually("the mail has come", SOON, async || {
        let answer = reqwest::get(format!("{}/api/messages", mail.mailbox.url)).await.unwrap();
        let mails: Value = answer.json().await.unwrap();
        (!mails["messages"].as_array().unwrap().is_empty()).then_some(mails)
    })
    .await;
    assert_eq!(mails["messages"].as_array().unwrap().len(), 1);
    let id = accounts.user("ada@example.org").await.unwrap()["userId"].as_str().unwrap().to_owned();
    let lists = format!("{}/api/v1/basket/{id}/lists", basket.url);
    eventually("the first list is there", SOON, async || {
        let token = test_kit::token(&id, "");
        let answer = reqwest::Client::new().get(&lists).bearer_auth(token).send().await.ok()?;
        let lists: Value = answer.json().await.ok()?;
        (lists["count"] == 1).then_some(())
    })
    .await;
}
