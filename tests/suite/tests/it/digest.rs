//! Price alerts in one mail a day, through all services.

use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use suite_tests::{Accounts, Buyer, Mail, Merchant, Suite};
use test_kit::eventually;

const SOON: Duration = Duration::from_secs(30);
const EMAIL: &str = "ada@example.org";
const SUBJECT: &str = "Prices in your cart have changed";

#[tokio::test]
async fn a_buyer_who_wants_a_digest_gets_all_alerts_of_a_day_in_one_mail_though_services_are_killed() {
    let suite = Suite::set_up().await;
    let accounts = Accounts::open(&suite).await;
    let mut mail = Mail::open(&suite).await;
    let catalog = suite.start_catalog(&[]);
    let _relay = suite.start_relay(&[("APP__DATABASES__BASKET__URL", &suite.basket.url)]);
    // A day of four seconds.
    let day = [("APP__DIGEST__EVERY_SECONDS", "4")];
    let mut basket = suite.start_basket(&catalog, &day);
    basket.until_ready(true).await;
    assert_eq!(accounts.register("Ada", EMAIL, "correct horse battery").await, 202);
    let user = eventually("the user is there", SOON, async || accounts.user(EMAIL).await).await;
    let buyer = Buyer::of(&basket, user["userId"].as_str().unwrap());
    buyer.takes(7, 1).await;
    let wish = buyer.request(Method::PUT, "/digest").json(&json!({"wanted": true})).send().await.unwrap();
    assert_eq!(wish.status(), 200);
    let merchant = Merchant::of(&catalog);
    merchant.price(7, "123.45").await;
    merchant.price(7, "234.56").await;
    buyer.until_alerts(2).await;

    // Both are away when its time comes.
    for process in [&mut mail.notifier, &mut basket] {
        process.signal(Signal::KILL);
        process.ended().await;
    }
    eventually("the digest is due and published", SOON, async || {
        let due = "select count(*) from integration_event_log
                    where event_type = 'shop.basket.price_digest_due.v1' and state = 'Published'";
        let due: i64 = sqlx::query_scalar(due).fetch_one(&suite.basket.pool).await.unwrap();
        (due > 0).then_some(())
    })
    .await;
    let _basket = suite.start_basket(&catalog, &day);
    mail.restart_notifier(&suite).await;
    let mails = eventually("the digest has come", SOON, async || {
        let mails = mail.to(EMAIL, SUBJECT).await;
        (!mails.is_empty()).then_some(mails)
    })
    .await;
    let text = mails[0]["text"].as_str().unwrap();
    assert!(
        text.contains("123.45 EUR instead of") && text.contains("234.56 EUR instead of 123.45 EUR"),
        "{text}"
    );

    // The next day there is nothing to tell.
    eventually("the next digest was due", SOON, async || {
        let handled = "select count(*) from inbox where event_type = 'shop.basket.price_digest_due.v1'";
        let handled: i64 = sqlx::query_scalar(handled).fetch_one(&suite.basket.pool).await.unwrap();
        (handled >= 2).then_some(())
    })
    .await;
    assert_eq!(mail.to(EMAIL, SUBJECT).await.len(), 1);
}
