//! Everybody who must not × everything that may not be done.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Client;
use serde_json::Value;
use suite_tests::{Buyer, Merchant, Suite};
use test_kit::{Process, eventually};

use super::{
    forged::{self, Credentials},
    operation::{Operation, operations},
    traces::contents,
};

/// What anybody may ask for: everything else in the documents must demand a token.
const PUBLIC: [&str; 8] = [
    "GET /api/v1/catalog/catalogbrands",
    "GET /api/v1/catalog/catalogtypes",
    "GET /api/v1/catalog/items",
    "GET /api/v1/catalog/items/{id}",
    "GET /api/v1/catalog/items/{id}/pic",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
];

const LONG: Duration = Duration::from_secs(30);

/// The suite with something in it that a stranger could want: a cart with an alert, an event and a dead letter.
struct Prey {
    suite: Suite,
    services: [Process; 3],
    event: String,
    letter: String,
}

impl Prey {
    async fn lay_out() -> Self {
        let suite = Suite::set_up().await;
        let catalog = suite.start_catalog(&[]);
        let relay = suite.start_relay(&[]);
        let basket = suite.start_basket(&catalog, &[]);
        let alice = Buyer::of(&basket, "alice");
        alice.takes(7, 2).await;
        Merchant::of(&catalog).price(7, "123.45").await;
        alice.until_alerts(1).await;
        let poison = "shop.catalog.product_removed.v1";
        suite.vhost.publish("shop.events", poison, b"poison", lapin::BasicProperties::default()).await;
        let mut prey =
            Self { suite, services: [catalog, basket, relay], event: String::new(), letter: String::new() };
        prey.event = sqlx::query_scalar("select event_id::text from integration_event_log limit 1")
            .fetch_one(&prey.suite.catalog.pool)
            .await
            .unwrap();
        let letters = eventually("a dead letter", LONG, async || {
            let letters = prey.letters().await;
            (letters["count"] == 1).then_some(letters)
        })
        .await;
        prey.letter = letters["data"][0]["id"].as_str().unwrap().to_owned();
        eventually("everything is published", LONG, async || {
            let pending = "select count(*) from integration_event_log where state <> 'Published'";
            let pending: i64 = sqlx::query_scalar(pending).fetch_one(&prey.suite.catalog.pool).await.unwrap();
            (pending == 0).then_some(())
        })
        .await;
        prey
    }

    /// What an operator sees in the dead-letter queue.
    async fn letters(&self) -> Value {
        let request = Client::new().get(format!("{}/api/v1/inbox/dead-letters", self.services[1].url));
        let answer = request.bearer_auth(test_kit::token("olga", "ops")).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn operations(&self) -> Vec<Operation> {
        let about = |path: &str, parameter: &str| match (path, parameter) {
            (_, "buyerId") => "alice".to_owned(),
            (_, "productId") => "7".to_owned(),
            (path, "id") if path.contains("/catalog/items/") => "7".to_owned(),
            (path, "id") if path.contains("/outbox/events/") => self.event.clone(),
            (path, "id") if path.contains("/dead-letters/") => self.letter.clone(),
            other => panic!("{other:?}: say in this test what stands for this parameter"),
        };
        let mut all = Vec::new();
        for service in &self.services {
            all.extend(operations(service, about).await);
        }
        all
    }

    async fn everything(&self) -> (Vec<(String, String)>, Vec<(String, String)>, Value) {
        let (catalog, basket) = (&self.suite.catalog.pool, &self.suite.basket.pool);
        (contents(catalog).await, contents(basket).await, self.letters().await)
    }
}

/// Asks, and returns the status; the answer must be a problem that says nothing of the inside.
async fn refused(client: &Client, operation: &Operation, stranger: &Credentials) -> u16 {
    let what = || format!("{} with {}", operation.name, stranger.what);
    let request = stranger.on(operation.request(client)).timeout(LONG);
    let answer = request.send().await.unwrap_or_else(|error| panic!("{}: {error}", what()));
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{}: {status}", what());
    if status != 404 {
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{}", what());
    }
    status
}

#[tokio::test]
async fn nobody_does_what_is_not_theirs_to_do() {
    let prey = Prey::lay_out().await;
    let all = prey.operations().await;
    let public: BTreeSet<&str> =
        all.iter().filter(|one| one.scopes.is_none()).map(|one| one.name.as_str()).collect();
    assert_eq!(public, BTreeSet::from(PUBLIC), "operations that demand no token, and the list of them above");

    let before = prey.everything().await;
    let (client, mut attempts, mut wrong) = (Client::new(), 0, Vec::new());
    let mut expect = |operation: &Operation, stranger: &Credentials, status: u16, expected: u16| {
        attempts += 1;
        if status != expected {
            wrong.push(format!("{} with {}: {status}, not {expected}", operation.name, stranger.what));
        }
    };
    let uncounted = forged::credentials("alice");
    for operation in all.iter().filter(|one| one.scopes.is_some()) {
        for stranger in &uncounted {
            expect(operation, stranger, refused(&client, operation, stranger).await, 401);
        }
        let others = if operation.demands().is_empty() {
            // A buyer's own: to everybody else, operators too, it is not there.
            [("another buyer's token", "mallory", ""), ("an operator's token", "olga", "ops catalog:write")]
        } else {
            let nearly =
                if operation.demands() == ["ops"] { "catalog:write opsx" } else { "ops catalog:writer" };
            [("no scope", "alice", ""), ("other scopes", "alice", nearly)]
        };
        for (what, sub, scope) in others {
            let stranger = forged::good(what, sub, scope);
            let expected = if operation.demands().is_empty() { 404 } else { 403 };
            expect(operation, &stranger, refused(&client, operation, &stranger).await, expected);
        }
    }
    let guarded = all.iter().filter(|one| one.scopes.is_some()).count();
    println!("{attempts} attempts on {guarded} operations, none of which may succeed");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(attempts >= 300, "{attempts} attempts");
    assert_eq!(prey.everything().await, before, "something was changed");

    // The same requests by those who may: what kept the others out was who they are.
    for operation in all.iter().filter(|one| one.scopes.is_some()) {
        let owner = forged::good("the right token", "alice", &operation.demands().join(" "));
        let status = owner.on(operation.request(&client)).send().await.unwrap().status().as_u16();
        assert!(status < 500 && ![401, 403].contains(&status), "{}: {status}", operation.name);
    }
    assert_ne!(prey.everything().await, before, "nothing was changed by those who may, either");
}
