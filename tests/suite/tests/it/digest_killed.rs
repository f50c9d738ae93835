//! The basket and the notifier are killed on the way of a digest, from the timer to the mail server's answer.
#![cfg(feature = "crash-points")]

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use suite_tests::{Accounts, Buyer, Mail, Merchant, Suite};
use test_kit::{Process, Signal, eventually};

const SOON: Duration = Duration::from_secs(30);
const SUBJECT: &str = "Prices in your cart have changed";
const NAMES: [&str; 2] = ["ada", "bob"];

/// Where the notifier dies that has taken a mail to the server, and has no answer yet.
const BEFORE_THE_ANSWER: &str = "before the answer";

/// The shop, and two buyers who want digests.
struct Shop {
    suite: Suite,
    accounts: Accounts,
    mail: Mail,
    catalog: Process,
    buyers: Vec<String>,
}

fn email(name: &str) -> String {
    format!("{name}@example.org")
}

/// Ends it as an operator does, so that nothing is delivered to the next one that this one has had.
async fn end(process: &mut Process) {
    process.signal(Signal::TERM);
    assert!(process.ended().await.success());
}

async fn is_killed(process: &mut Process, point: &str) {
    assert_eq!(process.ended().await.signal(), Some(9), "killed at {point}");
}

impl Shop {
    async fn start_basket(&self, point: Option<&str>) -> Process {
        let point = point.map(|point| ("CRASH_POINT", point));
        let basket = self.suite.start_basket(&self.catalog, point.as_slice());
        basket.until_ready(true).await;
        basket
    }

    async fn set_fault(&self, fault: Value) {
        let url = format!("{}/api/fault", self.mail.mailbox.url);
        let answer = Client::new().put(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// Waits until the mail server has read a mail of each buyer, and owes them an answer.
    async fn until_read(&self) {
        let url = format!("{}/api/status", self.mail.mailbox.url);
        eventually("the mails are read", SOON, async || {
            let status: Value = reqwest::get(&url).await.ok()?.json().await.ok()?;
            (status["fault"]["fault"] == "none").then_some(())
        })
        .await;
    }

    /// Has everybody's next digest due now.
    async fn next_day(&self) {
        let due = "update outbox_scheduled set due = clock_timestamp()";
        let due = sqlx::query(due).execute(&self.suite.basket.pool).await.unwrap();
        assert_eq!(due.rows_affected(), 2, "each buyer has one digest scheduled");
    }

    /// Waits until each buyer was sent this price, and nothing is to be sent any more.
    async fn until_told(&self, price: &str) {
        for name in NAMES {
            eventually("the digest has come", SOON, async || {
                let mails = self.mail.to(&email(name), SUBJECT).await;
                mails.iter().any(|mail| mail["text"].as_str().unwrap().contains(price)).then_some(())
            })
            .await;
        }
        eventually("nothing is to be sent", SOON, async || {
            let left = sqlx::query_scalar("select count(*) from mail where due is not null");
            let left: i64 = left.fetch_one(&self.mail.database.pool).await.unwrap();
            (left == 0).then_some(())
        })
        .await;
    }

    /// A day on which both die, and come back.
    async fn survives(&mut self, basket: &mut Process, price: &str, (in_basket, in_notifier): (&str, &str)) {
        Merchant::of(&self.catalog).price(7, price).await;
        for buyer in &self.buyers {
            Buyer::of(basket, buyer).until_price(price).await;
        }
        let is_silent = in_notifier == BEFORE_THE_ANSWER;
        tokio::join!(end(basket), end(&mut self.mail.notifier));
        if is_silent {
            self.set_fault(json!({"fault": "hang", "times": 2})).await;
            self.mail.restart_notifier(&self.suite).await;
        } else {
            self.mail.restart_notifier_with(&self.suite, &[("CRASH_POINT", in_notifier)]).await;
        }
        *basket = self.start_basket(Some(in_basket)).await;
        self.next_day().await;
        is_killed(basket, in_basket).await;
        *basket = self.start_basket(None).await;
        if is_silent {
            self.until_read().await;
            self.mail.notifier.signal(Signal::KILL);
        }
        is_killed(&mut self.mail.notifier, in_notifier).await;
        // The lease of the dead one ends.
        let over = "update mail set due = now() where due is not null";
        sqlx::query(over).execute(&self.mail.database.pool).await.unwrap();
        self.mail.restart_notifier(&self.suite).await;
        self.until_told(price).await;
    }
}

async fn open() -> (Shop, Process, Process) {
    let suite = Suite::set_up().await;
    let accounts = Accounts::open(&suite).await;
    let mail = Mail::open(&suite).await;
    let catalog = suite.start_catalog(&[]);
    let relay = suite.start_relay(&[("APP__DATABASES__BASKET__URL", &suite.basket.url)]);
    let mut shop = Shop { suite, accounts, mail, catalog, buyers: Vec::new() };
    let basket = shop.start_basket(None).await;
    for name in NAMES {
        assert_eq!(shop.accounts.register(name, &email(name), "correct horse battery").await, 202);
        let user = eventually("the user", SOON, async || shop.accounts.user(&email(name)).await).await;
        let user = user["userId"].as_str().unwrap().to_owned();
        let buyer = Buyer::of(&basket, &user);
        buyer.takes(7, 1).await;
        let wish = buyer.request(Method::PUT, "/digest").json(&json!({"wanted": true}));
        assert_eq!(wish.send().await.unwrap().status(), 200);
        shop.buyers.push(user);
    }
    eventually("both are welcomed", SOON, async || {
        let sent = sqlx::query_scalar("select count(*) from mail where state = 'sent'");
        let sent: i64 = sent.fetch_one(&shop.mail.database.pool).await.unwrap();
        (sent == 2).then_some(())
    })
    .await;
    (shop, basket, relay)
}

#[tokio::test]
async fn killed_anywhere_on_its_way_each_digest_reaches_each_buyer_under_one_message_id() {
    let (mut shop, mut basket, _relay) = open().await;
    let days = [
        ("basket.digest_announced", "notifier.row_written"),
        ("basket.digest_made", "notifier.before_send"),
        ("consumer.before_commit", "notifier.after_send"),
        ("consumer.after_commit", BEFORE_THE_ANSWER),
    ];
    let prices = ["41.25", "42.25", "43.25", "44.25"];
    for (points, price) in days.into_iter().zip(prices) {
        shop.survives(&mut basket, price, points).await;
    }

    // A digest's event is the mail's Message-ID.
    let made: Vec<String> = sqlx::query_scalar(
        "select event_id || '@shop.example' from integration_event_log
          where event_type = 'shop.basket.price_digest_made.v1' and key = any($1)",
    )
    .bind(&shop.buyers)
    .fetch_all(&shop.suite.basket.pool)
    .await
    .unwrap();
    assert_eq!(made.len(), 8, "one of each buyer and day");
    let mut sent = BTreeSet::new();
    for name in NAMES {
        let mails = shop.mail.to(&email(name), SUBJECT).await;
        for price in prices {
            let named =
                |mail: &&Value| mail["text"].as_str().unwrap().contains(&format!("{price} EUR instead"));
            let ids = mails.iter().filter(named).map(|mail| mail["messageId"].as_str().unwrap());
            let ids: BTreeSet<String> = ids.map(str::to_owned).collect();
            assert_eq!(ids.len(), 1, "{price} to {name}: {mails:#?}");
            sent.extend(ids);
        }
    }
    assert_eq!(sent, made.into_iter().collect());
}
