//! The service under test, and what tests do with it.

use std::time::Duration;

use event_bus::{BatchHandler, Received};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Running, eventually, token};
use uuid::Uuid;

/// How long anything may take that a test waits for.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

/// One process's worth of the service.
pub(crate) struct TestApp {
    pub(crate) pool: PgPool,
    pub(crate) client: reqwest::Client,
    running: Running,
}

/// What a test wants to be different.
pub(crate) struct Setup {
    pool: PgPool,
    settings: Vec<(&'static str, String)>,
}

impl Setup {
    pub(crate) fn of(pool: &PgPool) -> Self {
        Self { pool: pool.clone(), settings: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    pub(crate) fn spawn(self) -> TestApp {
        let usual = [
            ("APP__DATABASE__URL", app_url(&self.pool)),
            ("APP__BROKER__URL", format!("amqp://{NOWHERE}/%2f")),
            ("APP__CATALOG__URL", format!("http://{NOWHERE}")),
            // As long as by default: streams end by themselves when the service stops, not because it ends them.
            ("APP__HTTP__SHUTDOWN_TIMEOUT_SECONDS", "10".to_owned()),
        ];
        let settings: Vec<_> =
            usual.iter().chain(&self.settings).map(|(name, value)| (*name, value.as_str())).collect();
        let running = Running::start(basket_api::app, &settings);
        TestApp { pool: self.pool, client: reqwest::Client::new(), running }
    }
}

/// The address of the test's database for the service.
pub(crate) fn app_url(pool: &PgPool) -> String {
    test_kit::app_url(pool, "basket_app")
}

impl TestApp {
    pub(crate) fn spawn(pool: &PgPool) -> Self {
        Setup::of(pool).spawn()
    }

    /// A request to a path of the service, without a token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.running.url()))
    }

    /// A request to a path below the buyer's basket, with their token.
    pub(crate) fn basket(&self, method: Method, buyer: &str, path: &str) -> RequestBuilder {
        self.request(method, &format!("/api/v1/basket/{buyer}{path}")).bearer_auth(token(buyer, ""))
    }

    /// The buyer's basket as they see it.
    pub(crate) async fn see(&self, buyer: &str) -> Value {
        let answer = self.basket(Method::GET, buyer, "").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Tries to put a product into the buyer's basket.
    pub(crate) async fn put(&self, buyer: &str, product: i64, quantity: i64) -> Response {
        let request = self.basket(Method::PUT, buyer, &format!("/items/{product}"));
        request.json(&json!({"quantity": quantity})).send().await.unwrap()
    }

    /// Puts a product into the buyer's basket.
    pub(crate) async fn fill(&self, buyer: &str, product: i64, quantity: i64) -> Value {
        let answer = self.put(buyer, product, quantity).await;
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
        self.see(buyer).await
    }

    /// The first page of the buyer's alerts.
    pub(crate) async fn alerts(&self, buyer: &str) -> Value {
        let answer = self.basket(Method::GET, buyer, "/alerts?pageSize=100").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Acknowledges all of the buyer's alerts.
    pub(crate) async fn acknowledge(&self, buyer: &str) {
        let answer = self.basket(Method::POST, buyer, "/alerts/acknowledge").send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Asks the service to stop.
    pub(crate) fn begin_stop(&self) {
        self.running.begin_stop();
    }

    /// Stops the service, and expects it to end by itself, soon and well.
    pub(crate) fn stop(self) {
        self.running.stop();
    }

    /// Waits until the service says that it is ready.
    pub(crate) async fn ready(&self) {
        eventually("ready", SOON, async || {
            let answer = self.request(Method::GET, "/health/ready").send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }
}

/// Makes the database that of a service whose queue was bound once, by a process before.
pub(crate) async fn subscribed_before(pool: &PgPool) {
    sqlx::query(
        "insert into inbox_version (consumer, source, key, event_type, key_version)
         values ('basket', '/catalog', '999999', 'shop.catalog.product_added.v1', 1)",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// An event of the catalog, as its handler gets it.
pub(crate) fn received<P: serde::de::DeserializeOwned>(
    product: i64,
    version: i64,
    data: Value,
) -> Received<P> {
    Received {
        source: "/catalog".to_owned(),
        ..Received::new(
            product.to_string(),
            version,
            serde_json::from_value(data).expect("the payload that the handler reads"),
        )
    }
}

/// Has a run of events handled in one transaction with the application's rights.
pub(crate) async fn handle<H: BatchHandler>(pool: &PgPool, handler: &H, events: &[Received<H::Payload>]) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local role basket_app").execute(&mut *tx).await.unwrap();
    handler.handle_batch(&mut tx, events).await.unwrap();
    tx.commit().await.unwrap();
}

/// The payload of a new product with this price.
pub(crate) fn added(product: i64, price: &str) -> Value {
    json!({
        "productId": product, "name": format!("Product {product}"), "price": price, "currency": "EUR",
        "pictureUrl": format!("/api/v1/catalog/items/{product}/pic"), "version": 1,
    })
}

/// The payload of a price change.
pub(crate) fn repriced(product: i64, old: &str, new: &str, version: i64) -> Value {
    json!({
        "productId": product, "name": format!("Product {product}"), "oldPrice": old, "newPrice": new,
        "currency": "EUR", "version": version,
    })
}

/// Has the service learn of a product.
pub(crate) async fn add_product(pool: &PgPool, product: i64, price: &str) {
    let event = received(product, 1, added(product, price));
    handle(pool, &basket_api::subscriptions::AddProduct, &[event]).await;
}

/// Has the service learn of a new price; returns the event's id.
pub(crate) async fn reprice(pool: &PgPool, product: i64, old: &str, new: &str, version: i64) -> Uuid {
    let event = received(product, version, repriced(product, old, new, version));
    let id = event.id;
    handle(pool, &basket_api::subscriptions::RepriceBaskets, &[event]).await;
    id
}

/// Has the service learn that a product was removed; returns the event's id.
pub(crate) async fn remove_product(pool: &PgPool, product: i64, version: i64) -> Uuid {
    let event = received(product, version, json!({"productId": product, "version": version}));
    let id = event.id;
    handle(pool, &basket_api::subscriptions::RemoveProduct, &[event]).await;
    id
}

/// The problem that an answer carries.
pub(crate) async fn problem(answer: Response) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["request_id"].is_string());
    problem
}
