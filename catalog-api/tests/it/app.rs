//! The service, running; and a look into its database.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service_kit::auth::DEVELOPMENT_SECRET;
use service_kit::database;
use service_kit::settings::load_service_from;
use sqlx::{FromRow, PgPool};
use test_kit::token;
use tokio_util::sync::CancellationToken;

/// A running catalog with two types and two brands; it stops when this is dropped.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    /// The administrator's view of the database.
    pub(crate) pool: PgPool,
    client: reqwest::Client,
    stop: CancellationToken,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Announced {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) key: String,
    pub(crate) key_version: i64,
    pub(crate) payload: Value,
    pub(crate) headers: Value,
}

impl App {
    pub(crate) async fn spawn(pool: PgPool) -> Self {
        let service = Self::service_pool(&pool);
        Self::spawn_with(pool, &service).await
    }

    /// Starts the service on a pool, with two types and two brands.
    pub(crate) async fn spawn_with(pool: PgPool, service: &PgPool) -> Self {
        sqlx::raw_sql(
            "insert into product_type values (1, 'Tents'), (2, 'Lamps');
             insert into product_brand values (1, 'Larkfell'), (2, 'Moor & <hen>');",
        )
        .execute(&pool)
        .await
        .expect("types and brands");
        Self::with(pool, service)
    }

    /// Connections of the service's own, which may do only what its role may.
    fn service_pool(pool: &PgPool) -> PgPool {
        let options = pool.connect_options().as_ref().clone().options([("role", "catalog_app")]);
        database::connect_with(options, 8)
    }

    /// Starts the service on a database as it is.
    pub(crate) fn on(pool: PgPool) -> Self {
        let service = Self::service_pool(&pool);
        Self::with(pool, &service)
    }

    /// Starts the service on a pool; `pool` is for the test's own look.
    pub(crate) fn with(pool: PgPool, service: &PgPool) -> Self {
        let variables = [
            ("APP__MODE", "development"),
            ("APP__HTTP__PORT", "0"),
            ("APP__HTTP__WORKERS", "1"),
            ("APP__AUTH__SECRET", DEVELOPMENT_SECRET),
            // The subscriber finds nobody there; what is said here about requests does not need it.
            ("APP__BROKER__URL", "amqp://127.0.0.1:1/%2f"),
            ("APP__DATABASE__URL", "postgres://127.0.0.1:1/nowhere"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = load_service_from(None, variables).expect("good settings");
        let stop = CancellationToken::new();
        let server =
            catalog_api::app().start_on(Some(service.clone()), settings, &stop).expect("a free port");
        let address = server.address();
        tokio::spawn(server.run());
        let client =
            reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().expect("a client");
        Self { address, pool, client, stop }
    }

    /// A request to a path below the catalog's base.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}/api/v1/catalog{path}", self.address))
    }

    /// A request of somebody who may change the catalog.
    pub(crate) fn write(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(token("olga", "catalog:write"))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    pub(crate) async fn post(&self, body: &Value) -> Response {
        self.write(Method::POST, "/items").json(body).send().await.expect("an answer")
    }

    pub(crate) async fn put(&self, id: i64, body: &Value) -> Response {
        self.write(Method::PUT, &format!("/items/{id}")).json(body).send().await.expect("an answer")
    }

    pub(crate) async fn put_price(&self, id: i64, price: &str) -> Response {
        let request = self.write(Method::PUT, &format!("/items/{id}/price"));
        request.json(&json!({"price": price})).send().await.expect("an answer")
    }

    pub(crate) async fn delete(&self, id: i64) -> Response {
        self.write(Method::DELETE, &format!("/items/{id}")).send().await.expect("an answer")
    }

    /// Adds a product and returns its id.
    pub(crate) async fn product_priced_at(&self, price: &str) -> i64 {
        let mut body = details();
        body["price"] = json!(price);
        let answer = self.post(&body).await;
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.expect("JSON")["id"].as_i64().expect("a number")
    }

    pub(crate) async fn price_of(&self, id: i64) -> String {
        self.get_json(&format!("/items/{id}")).await["price"].as_str().expect("text").to_owned()
    }

    /// What is in the log, in its order.
    pub(crate) async fn log(&self) -> Vec<Announced> {
        log_of(&self.pool).await
    }

    /// The types of what is in the log about a product, in order, after its arrival.
    pub(crate) async fn announced_of(&self, id: i64) -> Vec<String> {
        let log = self.log().await;
        let own = log.into_iter().filter(|row| row.key == id.to_string()).skip(1);
        own.map(|row| row.event_type).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn log_of(pool: &PgPool) -> Vec<Announced> {
    sqlx::query_as(
        "select event_id::text, event_type, key, key_version, payload, headers
           from integration_event_log order by position",
    )
    .fetch_all(pool)
    .await
    .expect("the log")
}

/// Makes the database that of a service whose queue was bound once, by a process before.
pub(crate) async fn subscribed_before(pool: &PgPool) {
    sqlx::query(
        "insert into inbox_version (consumer, source, key, event_type, key_version)
         values ('catalog', '/ordering', 'an-order', 'shop.ordering.stock_requested.v1', 1)",
    )
    .execute(pool)
    .await
    .expect("a row");
}

/// A good product.
pub(crate) fn details() -> Value {
    json!({
        "name": "Tarn 2 trekking tent",
        "description": "Two doors and two porches.",
        "price": "12.50",
        "typeId": 1,
        "brandId": 1,
        "availableStock": 7,
        "restockThreshold": 3,
        "maxStockThreshold": 20,
    })
}

/// A good product but for one field; `null` takes the field out.
pub(crate) fn details_with(name: &str, value: Value) -> Value {
    let mut body = details();
    if value.is_null() {
        body.as_object_mut().expect("an object").remove(name);
    } else {
        body[name] = value;
    }
    body
}

/// Checks that an answer is a problem of this status and kind, and returns it.
pub(crate) async fn problem(answer: Response, status: u16, kind: &str) -> Value {
    let seen = answer.status();
    let media_type = answer.headers().get("content-type").cloned();
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(seen, status, "{body}");
    assert_eq!(media_type.expect("a media type"), "application/problem+json");
    assert_eq!(
        (&body["type"], &body["status"]),
        (&json!(format!("/problems/{kind}")), &json!(status)),
        "{body}"
    );
    body
}

/// A header's text; empty without the header.
pub(crate) fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}
