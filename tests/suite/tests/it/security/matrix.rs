//! Every credential without a right × every operation that demands one.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Client;
use serde_json::Value;
use suite_tests::{Buyer, Database, Merchant, Orders, Suite};
use test_kit::{Process, eventually};

use super::{
    forged::{self, Credentials},
    operation::{Operation, operations},
    traces::contents,
};
use crate::orders::{Shopper, price};

/// The public operations: every other operation in the documents must demand a token.
const PUBLIC: [&str; 9] = [
    "GET /api/v1/catalog/catalogbrands",
    "GET /api/v1/catalog/catalogtypes",
    "GET /api/v1/catalog/items",
    "GET /api/v1/catalog/items/{id}",
    "GET /api/v1/catalog/items/{id}/pic",
    "GET /api/v1/lists",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
];

const LONG: Duration = Duration::from_secs(30);

/// Other people's orders are shown to these, and to nobody else.
const SEES_ALL: &str = "GET /api/v1/orders/{id}";

/// The suite with things worth protecting: a cart with an alert, an order, an event and a dead letter.
struct Fixture {
    suite: Suite,
    orders: Orders,
    /// Catalog, basket, relay, and an ordering whose orders stay as they are.
    services: [Process; 4],
    order: String,
    event: String,
    dead_letter: String,
}

impl Fixture {
    async fn set_up() -> Self {
        let suite = Suite::set_up().await;
        let catalog = suite.start_catalog(&[]);
        let relay = suite.start_relay(&[]);
        let basket = suite.start_basket(&catalog, &[]);
        let alice = Buyer::of(&basket, "alice");
        alice.takes(7, 2).await;
        Merchant::of(&catalog).price(7, "123.45").await;
        alice.until_alerts(1).await;
        let orders = Orders::open(&suite).await;
        let calm = [("APP__ORDERS__GRACE_PERIOD_S", "3600"), ("APP__CATALOG__URL", &catalog.url)];
        let ordering = orders.start_ordering(&calm);
        let price = price(&suite.catalog.pool).await;
        let order = Shopper::of(&ordering, "alice").orders("k", (1, &price), "tok_ok").await;
        let poison = "shop.catalog.product_removed.v1";
        suite.vhost.publish("shop.events", poison, b"poison", lapin::BasicProperties::default()).await;
        let mut fixture = Self {
            suite,
            orders,
            services: [catalog, basket, relay, ordering],
            order,
            event: String::new(),
            dead_letter: String::new(),
        };
        fixture.event = sqlx::query_scalar("select event_id::text from integration_event_log limit 1")
            .fetch_one(&fixture.suite.catalog.pool)
            .await
            .unwrap();
        let dead_letters = eventually("a dead letter", LONG, async || {
            let dead_letters = fixture.dead_letters().await;
            (dead_letters["count"] == 1).then_some(dead_letters)
        })
        .await;
        fixture.dead_letter = dead_letters["data"][0]["id"].as_str().unwrap().to_owned();
        eventually("each subscriber has noted that its queue was bound", LONG, async || {
            for database in fixture.databases() {
                let noted = "select exists (select from inbox_version where key = '')";
                if !sqlx::query_scalar::<_, bool>(noted).fetch_one(&database.pool).await.unwrap() {
                    return None;
                }
            }
            Some(())
        })
        .await;
        eventually("everything is published, and the order is out of the cart", LONG, async || {
            for pool in [&fixture.suite.catalog.pool, &fixture.orders.database.pool] {
                let pending = "select count(*) from integration_event_log where state <> 'Published'";
                let pending: i64 = sqlx::query_scalar(pending).fetch_one(pool).await.unwrap();
                if pending > 0 {
                    return None;
                }
            }
            let taken_out = "select count(*) from inbox where event_type = 'shop.ordering.order_started.v1'";
            let taken_out: i64 =
                sqlx::query_scalar(taken_out).fetch_one(&fixture.suite.basket.pool).await.unwrap();
            (taken_out == 1).then_some(())
        })
        .await;
        fixture
    }

    /// What an operator sees in the dead-letter queue.
    async fn dead_letters(&self) -> Value {
        let request = Client::new().get(format!("{}/api/v1/inbox/dead-letters", self.services[1].url));
        let answer = request.bearer_auth(test_kit::token("olga", "ops")).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn operations(&self) -> Vec<Operation> {
        let about = |path: &str, parameter: &str| match (path, parameter) {
            (_, "buyerId") => "alice".to_owned(),
            (_, "productId") => "7".to_owned(),
            (_, "listId") => uuid::Uuid::nil().to_string(),
            (path, "id") if path.contains("/catalog/items/") => "7".to_owned(),
            (path, "id") if path.contains("/orders/") => self.order.clone(),
            (path, "id") if path.contains("/outbox/scheduled/") || path.contains("/payments/") => {
                uuid::Uuid::nil().to_string()
            }
            (path, "id") if path.contains("/outbox/events/") => self.event.clone(),
            (path, "id") if path.contains("/dead-letters/") => self.dead_letter.clone(),
            other => panic!("{other:?}: say in this test what stands for this parameter"),
        };
        let mut all = Vec::new();
        for service in self.services.iter().chain([&self.orders.payment]) {
            all.extend(operations(service, about).await);
        }
        all
    }

    fn databases(&self) -> [&Database; 4] {
        [&self.suite.catalog, &self.suite.basket, &self.orders.database, &self.orders.payments]
    }

    async fn everything(&self) -> (Vec<Vec<(String, String)>>, Value) {
        let mut all = Vec::new();
        for database in self.databases() {
            all.push(contents(&database.pool).await);
        }
        (all, self.dead_letters().await)
    }
}

/// Asks, and returns the status; the answer must be a problem that says nothing of the inside.
async fn refused(client: &Client, operation: &Operation, credentials: &Credentials) -> u16 {
    let what = || format!("{} with {}", operation.name, credentials.what);
    let request = credentials.on(operation.request(client)).timeout(LONG);
    let answer = request.send().await.unwrap_or_else(|error| panic!("{}: {error}", what()));
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{}: {status}", what());
    if status != 404 {
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{}", what());
    }
    status
}

#[tokio::test]
async fn every_credential_without_the_right_is_refused() {
    let fixture = Fixture::set_up().await;
    let all = fixture.operations().await;
    let public: BTreeSet<&str> =
        all.iter().filter(|one| one.scopes.is_none()).map(|one| one.name.as_str()).collect();
    assert_eq!(public, BTreeSet::from(PUBLIC), "operations that demand no token, and the list of them above");

    let before = fixture.everything().await;
    let (client, mut attempts, mut wrong) = (Client::new(), 0, Vec::new());
    let mut expect = |operation: &Operation, credentials: &Credentials, status: u16, expected: u16| {
        attempts += 1;
        if status != expected {
            wrong.push(format!("{} with {}: {status}, not {expected}", operation.name, credentials.what));
        }
    };
    let uncounted = forged::credentials("alice");
    for operation in all.iter().filter(|one| one.scopes.is_some()) {
        let nearly;
        for credentials in &uncounted {
            expect(operation, credentials, refused(&client, operation, credentials).await, 401);
        }
        let others = match operation.demands() {
            // It is about whoever asks.
            [] if !operation.name.contains('{') => vec![],
            // It belongs to a buyer: to all others, operators too, it does not exist.
            [] if operation.name == SEES_ALL => vec![("another buyer's token", "mallory", "catalog:write")],
            [] => vec![
                ("another buyer's token", "mallory", ""),
                ("an operator's token", "olga", "ops catalog:write orders:ship"),
            ],
            [scope] => {
                let all_others = ["ops", "catalog:write", "orders:ship"]
                    .map(|other| if other == scope { format!("{other}x") } else { other.to_owned() });
                nearly = all_others.join(" ");
                vec![("no scope", "alice", ""), ("other scopes", "alice", nearly.as_str())]
            }
            several => panic!("{several:?}: say in this test what is nearly enough"),
        };
        for (what, sub, scope) in others {
            let credentials = forged::good(what, sub, scope);
            let expected = if operation.demands().is_empty() { 404 } else { 403 };
            expect(operation, &credentials, refused(&client, operation, &credentials).await, expected);
        }
    }
    let guarded = all.iter().filter(|one| one.scopes.is_some()).count();
    println!("{attempts} attempts on {guarded} operations, none of which may succeed");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(attempts >= 600, "{attempts} attempts");
    assert_eq!(fixture.everything().await, before, "something was changed");

    // The same requests with the right token succeed: only the credentials were refused.
    for operation in all.iter().filter(|one| one.scopes.is_some()) {
        let owner = forged::good("the right token", "alice", &operation.demands().join(" "));
        let status = owner.on(operation.request(&client)).send().await.unwrap().status().as_u16();
        assert!(status < 500 && ![401, 403].contains(&status), "{}: {status}", operation.name);
    }
    assert_ne!(fixture.everything().await, before, "the right tokens change nothing either");
}
