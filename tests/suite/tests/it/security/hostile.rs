//! Messages that cannot be handled do not hold up other messages.

use std::{collections::HashSet, time::Duration};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use suite_tests::{Buyer, Suite};
use test_kit::{Process, eventually};
use uuid::Uuid;

use super::poison::{Message, innocent, poison};

/// How many hostile messages are sent, unless `HOSTILE_MESSAGES` says how many.
const USUALLY: usize = 3_000;

/// After so many hostile messages comes one that is as it should be.
const STRIDE: usize = 10;

/// Messages on their way to the broker at once.
const WINDOW: usize = 200;

/// How many hostile messages are put into the dead-letter queue.
const EACH: usize = 60;

const QUIET: Duration = Duration::from_mins(1);

/// A suite at work.
struct Running {
    suite: Suite,
    basket: Process,
    alice: Buyer,
    _others: (Process, Process),
}

impl Running {
    async fn open() -> Self {
        let suite = Suite::set_up().await;
        let (catalog, relay) = (suite.start_catalog(&[]), suite.start_relay(&[]));
        let basket = suite.start_basket(&catalog, &[]);
        let alice = Buyer::of(&basket, "alice");
        alice.takes(7, 1).await;
        Self { suite, basket, alice, _others: (catalog, relay) }
    }
}

/// What decides which messages are made: `HOSTILE_SEED` makes the same ones again.
fn chance() -> TestRunner {
    let seed = std::env::var("HOSTILE_SEED")
        .map_or_else(|_| fastrand::u64(..), |text| text.parse().expect("a number"));
    println!("HOSTILE_SEED={seed}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.to_le_bytes().repeat(4));
    TestRunner::new_with_rng(Config::default(), rng)
}

#[tokio::test]
async fn every_hostile_message_is_dead_lettered_with_a_reason_and_no_innocent_one_is() {
    let count = std::env::var("HOSTILE_MESSAGES").map_or(USUALLY, |text| text.parse().expect("a number"));
    let mut runner = chance();
    let Running { suite, basket, alice, .. } = &Running::open().await;
    let (strategy, mut innocents, mut batch) = (poison(), Vec::new(), Vec::new());
    for number in 0..count {
        batch.push(strategy.new_tree(&mut runner).unwrap().current());
        if number % STRIDE == 0 {
            let id = Uuid::now_v7();
            batch.push(innocent(id, 100 + number));
            innocents.push(id);
        }
        if batch.len() >= WINDOW || number + 1 == count {
            suite.vhost.publish_all("shop.events", &std::mem::take(&mut batch)).await;
        }
    }

    let ids: HashSet<String> = innocents.iter().map(Uuid::to_string).collect();
    let mut dead = suite.vhost.drain("basket.events.dead").await;
    for number in 0..count {
        let letter = dead.try_next(QUIET).await;
        let letter =
            letter.unwrap_or_else(|| panic!("{number} of {count} hostile messages are dead-lettered"));
        let reason = letter.header("x-reason").unwrap_or_default();
        assert!(!reason.is_empty(), "no reason: {:?}", letter.properties);
        let id = letter.json()["id"].as_str().unwrap_or_default().to_owned();
        assert!(!ids.contains(&id), "an innocent message was dead-lettered: {reason}");
    }
    eventually("every innocent event is received", QUIET, async || {
        let count = "select count(*) from inbox where event_id = any($1)";
        let pool = &suite.basket.pool;
        let received: i64 = sqlx::query_scalar(count).bind(&innocents).fetch_one(pool).await.unwrap();
        (received == i64::try_from(innocents.len()).unwrap()).then_some(())
    })
    .await;
    let rest = dead.try_next(Duration::from_millis(500)).await;
    assert!(rest.is_none(), "dead-lettered more than once, or innocent: {rest:?}");
    alice.until_price("9.99").await;
    basket.until_ready(true).await;
}

#[tokio::test]
async fn hostile_messages_in_the_dead_letter_queue_harm_nobody_either() {
    let mut runner = chance();
    let Running { suite, basket, alice, .. } = &Running::open().await;
    let strategy = poison();
    let hostile = |_| strategy.new_tree(&mut runner).unwrap().current();
    let mut batch: Vec<Message> = (0..EACH).map(hostile).collect();
    for (key, ..) in &mut batch {
        "basket.events.dead".clone_into(key);
    }
    suite.vhost.publish_all("", &batch).await;
    let mut good = innocent(Uuid::now_v7(), 100);
    "basket.events".clone_into(&mut good.0);
    suite.vhost.publish_all("", &[good]).await;

    let ops = test_kit::token("olga", "ops");
    let dead_letters = format!("{}/api/v1/inbox/dead-letters", basket.url);
    let client = reqwest::Client::new();
    let seen = eventually("all are dead dead_letters, and can be read", QUIET, async || {
        let answer = client.get(&dead_letters).bearer_auth(&ops).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let seen: serde_json::Value = answer.json().await.unwrap();
        (seen["count"] == EACH).then_some(seen)
    })
    .await;
    // One of them is tried again, and comes back.
    let mut url = reqwest::Url::parse(&dead_letters).unwrap();
    let id = seen["data"][0]["id"].as_str().unwrap();
    url.path_segments_mut().unwrap().extend([id, "replay"]);
    let answer = client.post(url).bearer_auth(&ops).send().await.unwrap();
    assert!(answer.status().is_success() || answer.status() == 404, "{}", answer.status());

    let mut dead = suite.vhost.drain("basket.events.dead").await;
    for number in 0..EACH {
        assert!(dead.try_next(QUIET).await.is_some(), "{number} of {EACH}");
    }
    let rest = dead.try_next(Duration::from_millis(500)).await;
    assert!(rest.is_none(), "more than there were: {rest:?}");
    alice.until_price("9.99").await;
    basket.until_ready(true).await;
}
