//! What logs do not say, however much is logged.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use suite_tests::{Accounts, Mail, Orders, Suite, log_everything};
use test_kit::eventually;

use crate::orders::{Shopper, price};

const SOON: Duration = Duration::from_mins(1);
const EMAIL: &str = "ada.in.no.log@example.org";
const NAME: &str = "Ada Of No Log";
const PASSWORD: &str = "a password of no log";

#[tokio::test]
async fn at_trace_no_log_has_a_password_a_hash_a_token_an_address_or_a_payload() {
    log_everything();
    let suite = Suite::set_up().await;
    let catalog = suite.start_catalog(&[]);
    let (accounts, mail, orders) =
        (Accounts::open(&suite).await, Mail::open(&suite).await, Orders::open(&suite).await);
    let relay = suite.start_relay(&[]);
    let basket = suite.start_basket(&catalog, &[]);
    let trust = accounts.trust();
    let trust = trust.each_ref().map(|(name, value)| (*name, value.as_str()));
    let address = ("APP__SERVICES__ACCOUNTS__URL", accounts.accounts.url.as_str());
    let storefront = suite.start_storefront(&catalog, &basket, &[&[address], &trust[..]].concat());
    basket.until_ready(true).await;

    // A registration by the page, the link, and a session.
    let client = Client::new();
    let form = |path: &str, body: String| {
        let request =
            client.post(format!("{}{path}", storefront.url)).header("sec-fetch-site", "same-origin");
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send()
    };
    let plus = |text: &str| text.replace(' ', "+");
    let body = format!("name={}&email={EMAIL}&password={}", plus(NAME), plus(PASSWORD));
    assert_eq!(form("/register", body).await.unwrap().status(), 200);
    let user = eventually("the user is there", SOON, async || accounts.user(EMAIL).await).await;
    let id = user["userId"].as_str().unwrap();
    let link = Accounts::link(id.parse().unwrap());
    let link_token = link.split("token=").nth(1).unwrap();
    let validate = format!("user={id}&token={link_token}");
    assert_eq!(form("/validate", validate).await.unwrap().status(), 200);
    let signed_in = form("/sign-in/account", format!("email={EMAIL}&password={}", plus(PASSWORD))).await;
    assert!(signed_in.unwrap().status().is_success());
    let credentials = json!({"email": EMAIL, "password": PASSWORD});
    let sessions = format!("{}/api/v1/sessions", accounts.accounts.url);
    let session: Value = client.post(sessions).json(&credentials).send().await.unwrap().json().await.unwrap();
    let session = session["accessToken"].as_str().unwrap();

    // An order that is paid, and the mail about it.
    let price = price(&suite.catalog.pool).await;
    let shopper = Shopper::of(&orders.ordering, id);
    let order = shopper.orders("k", (1, &price), "tok_flaky").await;
    assert_eq!(shopper.until_final(&order).await["status"], "paid");
    eventually("both mails are sent", SOON, async || {
        let url = format!("{}/api/messages?to={EMAIL}", mail.mailbox.url);
        let mails: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        (mails["messages"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;

    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let own = test_kit::token(id, "");
    let secrets = [
        PASSWORD.to_owned(),
        plus(PASSWORD),
        "$argon2".to_owned(),
        EMAIL.to_owned(),
        NAME.to_owned(),
        // Of the checkout.
        "Mill Road".to_owned(),
        "tok_flaky".to_owned(),
        signature(session),
        signature(&own),
        signature(link_token),
        "shop-development-secret-not-for-production".to_owned(),
        // Fields of payloads.
        "\"userName\"".to_owned(),
        "\"buyerId\"".to_owned(),
    ];
    let processes = [
        &catalog,
        &basket,
        &relay,
        &storefront,
        &accounts.accounts,
        &accounts.relay,
        &mail.notifier,
        &orders.ordering,
        &orders.payment,
        &orders.relay,
    ];
    let mut found = Vec::new();
    for (process, number) in processes.into_iter().zip(0..) {
        let log = process.log();
        // The relay has nothing to say at this level.
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "process {number} logs everything");
        for secret in &secrets {
            if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
                found.push(format!("process {number}, {secret:?}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
