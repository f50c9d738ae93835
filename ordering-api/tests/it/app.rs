//! The service under test, and what tests do with it.

use event_bus::{BatchHandler, HandleError, Received};
use ordering_api::subscriptions::{
    AddProduct, CompleteOrder, ConfirmStock, EndGracePeriod, RemoveProduct, RepriceProduct,
};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Running, app_url, token};
use uuid::Uuid;

/// One process's worth of the service, without a broker: tests hand it the events.
pub(crate) struct TestApp {
    pub(crate) pool: PgPool,
    client: reqwest::Client,
    running: Running,
}

impl TestApp {
    /// Starts the service; product 1 costs 10.00, product 2 costs 2.50.
    pub(crate) async fn spawn(pool: &PgPool) -> Self {
        Self::spawn_with(pool, &[]).await
    }

    pub(crate) async fn spawn_with(pool: &PgPool, settings: &[(&str, &str)]) -> Self {
        let url = app_url(pool, "ordering_app");
        let usual = [("APP__DATABASE__URL", url.as_str()), ("APP__BROKER__URL", "amqp://127.0.0.1:1/%2f")];
        let running = Running::start(ordering_api::app, &[&usual, settings].concat());
        let app = Self { pool: pool.clone(), client: reqwest::Client::new(), running };
        app.add_product(1, "10.00").await;
        app.add_product(2, "2.50").await;
        app
    }

    /// A request to a path below the orders, with this token's subject and scopes.
    pub(crate) fn request_as(&self, method: Method, path: &str, sub: &str, scope: &str) -> RequestBuilder {
        let url = format!("{}/api/v1/orders{path}", self.running.url());
        self.client.request(method, url).bearer_auth(token(sub, scope))
    }

    /// A buyer's request.
    pub(crate) fn request(&self, method: Method, path: &str, buyer: &str) -> RequestBuilder {
        self.request_as(method, path, buyer, "")
    }

    /// Sends a checkout.
    pub(crate) async fn check_out(&self, buyer: &str, key: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, "", buyer).header("idempotency-key", key);
        request.json(body).send().await.unwrap()
    }

    /// Places an order, and returns its id.
    pub(crate) async fn order(&self, buyer: &str, body: &Value) -> Uuid {
        let answer = self.check_out(buyer, &Uuid::new_v4().to_string(), body).await;
        assert_eq!(answer.status(), 202, "{:?}", answer.text().await);
        order_id(answer).await
    }

    /// The order as its buyer sees it.
    pub(crate) async fn see(&self, buyer: &str, id: Uuid) -> Value {
        let answer = self.request(Method::GET, &format!("/{id}"), buyer).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub(crate) async fn status(&self, buyer: &str, id: Uuid) -> String {
        self.see(buyer, id).await["status"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn cancel(&self, buyer: &str, id: Uuid) -> Response {
        self.request(Method::POST, &format!("/{id}/cancel"), buyer).send().await.unwrap()
    }

    pub(crate) async fn ship(&self, id: Uuid) -> Response {
        let request = self.request_as(Method::POST, &format!("/{id}/ship"), "olga", "orders:ship");
        request.send().await.unwrap()
    }

    pub(crate) async fn add_product(&self, product: i64, price: &str) {
        let data = json!({
            "productId": product, "name": format!("Product {product}"), "price": price, "currency": "EUR",
            "pictureUrl": format!("/api/v1/catalog/items/{product}/pic"), "version": 1,
        });
        self.handle(&AddProduct, received("/catalog", &product.to_string(), 1, data)).await.unwrap();
    }

    pub(crate) async fn reprice(&self, product: i64, price: &str, version: i64) {
        self.reprice_in(1, product, price, version).await;
    }

    /// As `reprice`, in another generation of the catalog's log.
    pub(crate) async fn reprice_in(&self, generation: i64, product: i64, price: &str, version: i64) {
        let data = json!({"productId": product, "newPrice": price});
        let event = received("/catalog", &product.to_string(), version, data);
        self.handle(&RepriceProduct, Received { generation, ..event }).await.unwrap();
    }

    pub(crate) async fn remove_product(&self, product: i64) {
        self.remove_product_in(1, product).await;
    }

    /// As `remove_product`, in another generation of the catalog's log.
    pub(crate) async fn remove_product_in(&self, generation: i64, product: i64) {
        let event = received("/catalog", &product.to_string(), 9, json!({"productId": product}));
        self.handle(&RemoveProduct, Received { generation, ..event }).await.unwrap();
    }

    /// Has an event about an order handled; returns the event's id.
    pub(crate) async fn happens<H: BatchHandler>(&self, handler: &H, id: Uuid, further: Value) -> Uuid {
        let mut data = further;
        data["orderId"] = json!(id);
        let event = received("/elsewhere", &id.to_string(), 1, data);
        let event_id = event.id;
        self.handle(handler, event).await.unwrap();
        event_id
    }

    /// Has an event handled in a transaction with the application's rights.
    pub(crate) async fn handle<H: BatchHandler>(
        &self,
        handler: &H,
        event: Received<H::Payload>,
    ) -> Result<(), HandleError> {
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query("set local role ordering_app").execute(&mut *tx).await.unwrap();
        handler.handle_batch(&mut tx, &[event]).await?;
        tx.commit().await.unwrap();
        Ok(())
    }

    /// Takes an order to `paid`.
    pub(crate) async fn pay(&self, id: Uuid) {
        self.happens(&EndGracePeriod, id, json!({})).await;
        self.happens(&ConfirmStock, id, json!({})).await;
        self.happens(&CompleteOrder, id, json!({})).await;
    }

    /// What is in the log about an order: the short names of its events, in order.
    pub(crate) async fn announced(&self, id: Uuid) -> Vec<String> {
        let types: Vec<String> = sqlx::query_scalar(
            "select split_part(event_type, '.', 3) from integration_event_log where key = $1 order by position",
        )
        .bind(id.to_string())
        .fetch_all(&self.pool)
        .await
        .unwrap();
        types
    }

    /// The events that are scheduled for an order: their short names, and the seconds until they are due.
    pub(crate) async fn scheduled(&self, id: Uuid) -> Vec<(String, f64)> {
        sqlx::query_as(
            "select split_part(event_type, '.', 3), extract(epoch from due - created_at)::float8
               from outbox_scheduled where key = $1 order by due",
        )
        .bind(id.to_string())
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// How many orders there are.
    pub(crate) async fn orders(&self) -> i64 {
        sqlx::query_scalar("select count(*) from customer_order").fetch_one(&self.pool).await.unwrap()
    }
}

/// An event as its handler gets it.
pub(crate) fn received<P: DeserializeOwned>(
    source: &str,
    key: &str,
    version: i64,
    data: Value,
) -> Received<P> {
    Received {
        source: source.to_owned(),
        ..Received::new(
            key,
            version,
            serde_json::from_value(data).expect("the payload that the handler reads"),
        )
    }
}

/// A checkout of these products and quantities.
pub(crate) fn checkout(items: &[(i64, i64)], total: &str) -> Value {
    let items: Vec<Value> =
        items.iter().map(|(product, quantity)| json!({"productId": product, "quantity": quantity})).collect();
    json!({
        "items": items,
        "address": {"name": "Alice", "street": "Mill Road 1", "postcode": "12345", "city": "Moor", "country": "IE"},
        "payment": {"token": "tok_ok"},
        "expectedTotal": total,
    })
}

pub(crate) async fn order_id(answer: Response) -> Uuid {
    let body: Value = answer.json().await.unwrap();
    body["orderId"].as_str().unwrap().parse().unwrap()
}

/// Checks that an answer is a problem of this status, and returns it.
pub(crate) async fn problem(answer: Response, status: u16) -> Value {
    let seen = answer.status();
    let media_type = answer.headers()["content-type"].clone();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(seen, status, "{body}");
    assert_eq!(media_type, "application/problem+json");
    body
}
