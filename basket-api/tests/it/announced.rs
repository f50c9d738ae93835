//! A real broker, with the catalog's events as the relay publishes them.

use lapin::{BasicProperties, options::QueueDeclareOptions, types::FieldTable};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Vhost, eventually};
use uuid::Uuid;

use crate::app::{SOON, Setup, TestApp, added, repriced};

const ADDED: &str = "shop.catalog.product_added.v1";
const REPRICED: &str = "shop.catalog.product_price_changed.v1";

pub(crate) async fn spawn(pool: &PgPool, vhost: &Vhost) -> TestApp {
    spawn_with(pool, vhost, "http://127.0.0.1:1").await
}

pub(crate) async fn spawn_with(pool: &PgPool, vhost: &Vhost, catalog: &str) -> TestApp {
    consuming(Setup::of(pool).with("APP__CATALOG__URL", catalog), vhost).await
}

/// Starts the service at this broker, and waits until it consumes.
pub(crate) async fn consuming(setup: Setup, vhost: &Vhost) -> TestApp {
    let app = setup.with("APP__BROKER__URL", &vhost.url).spawn();
    eventually("the service consumes", SOON, async || {
        queue(vhost).await.filter(|queue| queue.consumer_count() > 0)
    })
    .await;
    app
}

/// The service's queue, if it is there.
async fn queue(vhost: &Vhost) -> Option<lapin::Queue> {
    // Asking for a queue that is not there yet ends the channel.
    let connection = vhost.connect().await;
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = channel.queue_declare("basket.events".into(), passive, FieldTable::default()).await.ok();
    connection.close(200, "OK".into()).await.unwrap();
    queue
}

/// Waits until all that was announced was handed out to the service.
pub(crate) async fn handed_out(vhost: &Vhost) {
    eventually("the service has been handed everything", SOON, async || {
        queue(vhost).await.filter(|queue| queue.message_count() == 0)
    })
    .await;
}

/// A message as the relay publishes it.
pub(crate) fn message(event_type: &str, product: i64, version: i64, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "source": "/catalog", "type": event_type,
        "subject": product.to_string(), "time": chrono::Utc::now().to_rfc3339(),
        "datacontenttype": "application/json", "partitionkey": product.to_string(),
        "sequence": version.to_string(), "data": data,
    })
}

pub(crate) fn add(product: i64, price: &str) -> Value {
    message(ADDED, product, 1, &added(product, price))
}

pub(crate) fn change(product: i64, old: &str, new: &str, version: i64) -> Value {
    message(REPRICED, product, version, &repriced(product, old, new, version))
}

pub(crate) fn remove(product: i64, version: i64) -> Value {
    let data = json!({"productId": product, "version": version});
    message("shop.catalog.product_removed.v1", product, version, &data)
}

pub(crate) fn properties() -> BasicProperties {
    BasicProperties::default().with_content_type("application/cloudevents+json".into()).with_delivery_mode(2)
}

pub(crate) async fn announce(vhost: &Vhost, message: &Value) {
    let key = message["type"].as_str().unwrap();
    vhost.publish("shop.events", key, message.to_string().as_bytes(), properties()).await;
}

/// Waits until the service has had the event, and says whether it had an effect.
pub(crate) async fn taken_in(pool: &PgPool, message: &Value) -> bool {
    let id: Uuid = message["id"].as_str().unwrap().parse().unwrap();
    eventually("the event is in the inbox", SOON, async || {
        let applied =
            sqlx::query_scalar("select applied from inbox where consumer = 'basket' and event_id = $1");
        applied.bind(id).fetch_optional(pool).await.unwrap()
    })
    .await
}
