//! A virtual host of the test broker for one test, and a queue to look at what is published.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

use crate::setting;

/// A virtual host that no other test sees. Deleted when dropped.
pub struct Vhost {
    /// Its AMQP URL, with the administrator's rights.
    pub url: String,
    name: String,
}

/// Makes a virtual host on the test broker.
///
/// # Panics
/// When the broker of `AMQP_URL` and `RABBITMQ_MANAGEMENT_URL` does not do as it is told.
pub async fn vhost() -> Vhost {
    let name = format!("test-{}", uuid::Uuid::new_v4().simple());
    let amqp = setting("AMQP_URL");
    let server = amqp.rsplit_once('/').expect("AMQP_URL has a vhost").0;
    let vhost = Vhost { url: format!("{server}/{name}"), name };
    vhost.put("vhosts", "", &json!({})).await;
    vhost
}

impl Vhost {
    /// Puts a resource of the management API under this virtual host, such as a policy or a permission.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn put(&self, kind: &str, rest: &str, body: &Value) {
        let url = format!("{}/api/{kind}/{}{rest}", setting("RABBITMQ_MANAGEMENT_URL"), self.name);
        let answer = reqwest::Client::new().put(&url).json(body).send().await.expect("the management API");
        assert!(answer.status().is_success(), "PUT {kind}{rest}: {}", answer.status());
    }

    /// Deletes a resource of the management API under this virtual host.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn delete(&self, kind: &str, rest: &str) {
        let url = format!("{}/api/{kind}/{}{rest}", setting("RABBITMQ_MANAGEMENT_URL"), self.name);
        let answer = reqwest::Client::new().delete(&url).send().await.expect("the management API");
        assert!(answer.status().is_success(), "DELETE {kind}{rest}: {}", answer.status());
    }

    /// Closes the connections to this virtual host whose name begins like this, as a broker that goes
    /// away would.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn close_connections(&self, name: &str) {
        let management = setting("RABBITMQ_MANAGEMENT_URL");
        let client = reqwest::Client::new();
        let url = format!("{management}/api/vhosts/{}/connections", self.name);
        let find = async || {
            let all: Vec<Value> = client.get(&url).send().await.ok()?.json().await.ok()?;
            let is_wanted = |one: &Value| {
                one["client_properties"]["connection_name"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(name))
            };
            let found: Vec<String> = all
                .iter()
                .filter(|one| is_wanted(one))
                .filter_map(|one| Some(one["name"].as_str()?.to_owned()))
                .collect();
            (!found.is_empty()).then_some(found)
        };
        // The management database learns of connections a few seconds after they were made.
        for connection in crate::eventually("a connection to close", Duration::from_secs(15), find).await {
            let mut one = reqwest::Url::parse(&format!("{management}/api/connections/")).unwrap();
            one.path_segments_mut().unwrap().pop_if_empty().push(&connection);
            client.delete(one).send().await.expect("the management API");
        }
    }

    /// Binds a queue for everything that refuses what goes beyond `length` messages.
    ///
    /// # Panics
    /// When it cannot be declared.
    pub async fn fill(&self, queue: &str, length: u32) {
        let arguments =
            json!({"x-queue-type": "quorum", "x-max-length": length, "x-overflow": "reject-publish"});
        let declared = json!({"durable": true, "arguments": arguments});
        self.put("queues", &format!("/{queue}"), &declared).await;
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), "shop.events".into(), "#".into(), options, none).await.unwrap();
        connection.close(200, "OK".into()).await.unwrap();
    }

    /// A connection to the virtual host.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn connect(&self) -> Connection {
        Connection::connect(&self.url, ConnectionProperties::default()).await.expect("the test broker")
    }

    /// A queue that sees everything that is published to `shop.events`, from now on and in order.
    ///
    /// # Panics
    /// When it cannot be declared.
    pub async fn probe(&self) -> Probe {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let mut alternate = FieldTable::default();
        alternate.insert("alternate-exchange".into(), AMQPValue::LongString("shop.unrouted".into()));
        let events = "shop.events";
        channel.exchange_declare(events.into(), ExchangeKind::Topic, durable, alternate).await.unwrap();
        channel
            .queue_declare("probe".into(), QueueDeclareOptions::durable(), FieldTable::default())
            .await
            .unwrap();
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind("probe".into(), events.into(), "#".into(), options, none).await.unwrap();
        connection.close(200, "OK".into()).await.unwrap();
        self.drain("probe").await
    }

    /// Takes everything off a queue from now on, in order.
    ///
    /// # Panics
    /// When the queue is not there.
    pub async fn drain(&self, queue: &str) -> Probe {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let (no_ack, none) =
            (BasicConsumeOptions { no_ack: true, ..Default::default() }, FieldTable::default());
        let consumer = channel.basic_consume(queue.into(), "".into(), no_ack, none).await.unwrap();
        Probe { consumer, _connection: connection }
    }

    /// Publishes a message as anybody might, and waits until the broker has it.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn publish(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions::default();
        let confirm =
            channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
        assert!(confirm.await.unwrap().is_ack());
        connection.close(200, "OK".into()).await.unwrap();
    }

    /// Takes one message off a queue; `None` when it is empty or not there. Not for queues with a single
    /// active consumer: see [`drain`](Self::drain).
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn take(&self, queue: &str) -> Option<Seen> {
        let connection = self.connect().await;
        let channel: Channel = connection.create_channel().await.unwrap();
        let taken = match channel.basic_get(queue.into(), BasicGetOptions::default()).await {
            Ok(taken) => taken,
            // A queue that is not declared yet has nothing in it.
            Err(error) if error.to_string().contains("NOT_FOUND") => None,
            Err(error) => panic!("cannot take a message from {queue}: {error}"),
        };
        let seen = taken.as_ref().map(|message| Seen::of(&message.delivery));
        if let Some(message) = taken {
            message.delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        connection.close(200, "OK".into()).await.unwrap();
        seen
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let url = format!("{}/api/vhosts/{}", setting("RABBITMQ_MANAGEMENT_URL"), self.name);
        // Dropped in or out of a runtime: a thread of its own has one in any case.
        let tidied = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let limit = Duration::from_secs(5);
            runtime.block_on(async { reqwest::Client::new().delete(&url).timeout(limit).send().await }).ok()
        });
        drop(tidied.join());
    }
}

/// A message, as much of it as tests look at.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The routing key that it came with.
    pub routing_key: String,
    /// The body.
    pub body: Vec<u8>,
    /// The AMQP properties.
    pub properties: BasicProperties,
    /// The broker's flag.
    pub redelivered: bool,
}

impl Seen {
    fn of(delivery: &lapin::message::Delivery) -> Self {
        Self {
            routing_key: delivery.routing_key.as_str().to_owned(),
            body: delivery.data.clone(),
            properties: delivery.properties.clone(),
            redelivered: delivery.redelivered,
        }
    }

    /// The body as JSON; `null` if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header, if it is there and a text.
    pub fn header(&self, name: &str) -> Option<String> {
        match self.properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            _ => None,
        }
    }
}

/// What arrives in a queue, in order.
pub struct Probe {
    consumer: Consumer,
    _connection: Connection,
}

impl Probe {
    /// The next message.
    ///
    /// # Panics
    /// When none comes within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Seen {
        self.try_next(limit).await.unwrap_or_else(|| panic!("nothing was published within {limit:?}"))
    }

    /// The next message, or `None` when none comes within `limit`.
    ///
    /// # Panics
    /// When the connection ends.
    pub async fn try_next(&mut self, limit: Duration) -> Option<Seen> {
        let next = tokio::time::timeout(limit, self.consumer.next()).await.ok()?;
        Some(Seen::of(&next.expect("the probe is still there").expect("the probe is still connected")))
    }
}
