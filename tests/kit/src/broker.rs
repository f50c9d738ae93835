//! A virtual host of the test broker for one test, and a queue that records what is published.

use std::time::Duration;

use futures_util::StreamExt;
use harness::{
    Broker, Message, eventually,
    proxy::{Protocol, Proxy},
};
use lapin::{
    BasicProperties, Channel, Connection, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::setting;

/// The exchange of all events.
const EVENTS: &str = "shop.events";

/// What the suite's virtual host has.
const DEFINITIONS: &str = include_str!("../../../deploy/rabbitmq/definitions.json");

/// A virtual host that no other test sees. Deleted when dropped.
pub struct Vhost {
    /// Its AMQP URL, with the administrator's rights.
    pub url: String,
    pub(crate) name: String,
    pub(crate) broker: Broker,
}

/// Makes a virtual host on the test broker, with the suite's exchanges and policies.
///
/// # Panics
/// When the broker of `AMQP_URL` and `RABBITMQ_MANAGEMENT_URL` does not do as it is told.
pub async fn vhost() -> Vhost {
    let name = format!("test-{}", uuid::Uuid::new_v4().simple());
    let amqp = setting("AMQP_URL");
    let url = format!("{}/{name}", amqp.rsplit_once('/').expect("AMQP_URL has a vhost").0);
    let broker = Broker::new(url.clone(), setting("RABBITMQ_MANAGEMENT_URL")).unwrap();
    let vhost = Vhost { url, name, broker };
    vhost.put("vhosts", "", &json!({})).await;
    vhost.define().await;
    vhost
}

/// A list of the suite's definitions.
fn defined(list: &str) -> Vec<Value> {
    let definitions: Value = serde_json::from_str(DEFINITIONS).expect("definitions in JSON");
    definitions[list].as_array().expect("a list").clone()
}

impl Vhost {
    /// Puts a resource of the management API under this virtual host, such as a policy or a permission.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn put(&self, kind: &str, rest: &str, body: &Value) {
        self.broker.manage(Method::PUT, &format!("{kind}/{}{rest}", self.name), body).await.unwrap();
    }

    /// Makes the suite's exchanges, its queue for unrouted events and its policies, unless they are there.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn define(&self) {
        let lists = ["exchanges", "queues", "bindings", "policies"];
        let all: serde_json::Map<String, Value> =
            lists.map(|list| (list.to_owned(), defined(list).into())).into_iter().collect();
        let path = format!("definitions/{}", self.name);
        self.broker.manage(Method::POST, &path, &all.into()).await.unwrap();
    }

    /// Gives the queue of a subscriber that the suite does not have the policy that those of the suite have.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn subscribed(&self, subscriber: &str) {
        self.limited(subscriber, json!({})).await;
    }

    /// The same with more in it.
    ///
    /// # Panics
    /// When the broker refuses, as one that does not know of it.
    pub async fn limited(&self, subscriber: &str, more: Value) {
        let policies = defined("policies");
        let policy = policies.iter().find(|policy| policy["name"] == "basket.events").expect("a policy");
        let text = policy.to_string().replace("basket", subscriber);
        let mut policy: Value = serde_json::from_str(&text).expect("JSON");
        for (name, value) in more.as_object().expect("an object") {
            policy["definition"][name] = value.clone();
        }
        self.put("policies", &format!("/{subscriber}.events"), &policy).await;
    }

    /// The version of the broker, such as 4.3.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn version(&self) -> (u32, u32) {
        let overview = self.broker.manage(Method::GET, "overview", &Value::Null).await.unwrap();
        let text = overview["rabbitmq_version"].as_str().expect("a version").to_owned();
        let mut numbers = text.split('.').map(|number| number.parse().expect("a number"));
        (numbers.next().expect("a major version"), numbers.next().expect("a minor version"))
    }

    /// Deletes a resource of the management API under this virtual host.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn delete(&self, kind: &str, rest: &str) {
        let path = format!("{kind}/{}{rest}", self.name);
        self.broker.manage(Method::DELETE, &path, &Value::Null).await.unwrap();
    }

    /// Closes the connections to this virtual host whose name begins like this, as a broker that shuts down
    /// would.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn close_connections(&self, name: &str) {
        let path = format!("vhosts/{}/connections", self.name);
        let find = async || {
            let all = self.broker.manage(Method::GET, &path, &Value::Null).await.ok()?;
            let is_wanted = |one: &&Value| {
                let of_client = one["client_properties"]["connection_name"].as_str();
                of_client.is_some_and(|text| text.starts_with(name))
            };
            let wanted = all.as_array()?.iter().filter(is_wanted);
            let found: Vec<String> =
                wanted.filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect();
            (!found.is_empty()).then_some(found)
        };
        // The management database learns of connections a few seconds after they were made.
        for connection in eventually("a connection to close", Duration::from_secs(15), find).await {
            // A connection's name has spaces and an arrow in it.
            let mut url = reqwest::Url::parse("http://x/connections").unwrap();
            url.path_segments_mut().unwrap().push(&connection);
            self.broker.delete(&url.path()[1..]).await.unwrap();
        }
    }

    /// Binds a queue to a type, full to the brim: it refuses whatever else is published.
    ///
    /// # Panics
    /// When it cannot be declared, or takes more than it should.
    pub async fn full(&self, queue: &str, event_type: &str) {
        let arguments = json!({"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"});
        let declared = json!({"durable": true, "arguments": arguments});
        self.put("queues", &format!("/{queue}"), &declared).await;
        // The limit is a soft one: a channel that does not know yet that the queue is full goes beyond it.
        let one = [(queue.to_owned(), Vec::new(), BasicProperties::default())];
        let refuses = async || (self.try_publish_all("", &one).await == 0).then_some(());
        eventually("the queue is full", Duration::from_secs(10), refuses).await;
        self.bind(queue, event_type).await;
    }

    /// Binds a queue that exists for a type of event.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn bind(&self, queue: &str, event_type: &str) {
        let binding = format!("bindings/{}/e/{EVENTS}/q/{queue}", self.name);
        self.broker.manage(Method::POST, &binding, &json!({"routing_key": event_type})).await.unwrap();
    }

    /// A connection to the virtual host.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn connect(&self) -> Connection {
        self.broker.connect().await.unwrap()
    }

    /// A queue that records everything that is published to `shop.events`, from now on and in order.
    ///
    /// # Panics
    /// When it cannot be declared.
    pub async fn recorder(&self) -> Recorder {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let (queue, durable) = ("recorder", QueueDeclareOptions::durable());
        channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), EVENTS.into(), "#".into(), options, none).await.unwrap();
        connection.close(200, "OK".into()).await.unwrap();
        self.drain(queue).await
    }

    /// Takes everything off a queue from now on, in order.
    ///
    /// # Panics
    /// When the queue is not there.
    pub async fn drain(&self, queue: &str) -> Recorder {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let (no_ack, none) =
            (BasicConsumeOptions { no_ack: true, ..Default::default() }, FieldTable::default());
        let consumer = channel.basic_consume(queue.into(), "".into(), no_ack, none).await.unwrap();
        Recorder { consumer, _connection: connection }
    }

    /// Publishes a message as any client might, and waits until the broker has it.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn publish(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        self.publish_all(exchange, &[(key.to_owned(), body.to_owned(), properties)]).await;
    }

    /// Publishes messages (routing key, body, properties), and waits until the broker has them.
    ///
    /// # Panics
    /// When the broker does not take them all.
    pub async fn publish_all(&self, exchange: &str, messages: &[(String, Vec<u8>, BasicProperties)]) {
        let taken = self.try_publish_all(exchange, messages).await;
        assert_eq!(taken, messages.len(), "the broker takes all messages");
    }

    /// The same; returns how many of them the broker takes.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn try_publish_all(
        &self,
        exchange: &str,
        messages: &[(String, Vec<u8>, BasicProperties)],
    ) -> usize {
        self.broker.publish(exchange, messages).await.unwrap()
    }

    /// A way to the broker that can be cut, and this virtual host's URL along it.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn proxied(&self) -> (Proxy, String) {
        let (user, rest) = self.url.rsplit_once('@').unwrap();
        let (server, vhost) = rest.rsplit_once('/').unwrap();
        let (host, port) = server.rsplit_once(':').unwrap();
        let proxy = Proxy::open(host, port.parse().unwrap(), Protocol::Amqp).await.unwrap();
        let through = format!("{user}@{}/{vhost}", proxy.address);
        (proxy, through)
    }

    /// Takes one message off a queue; `None` when it is empty or does not exist. Not for queues with a single
    /// active consumer: see [`drain`](Self::drain).
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn take(&self, queue: &str) -> Option<Message> {
        let connection = self.connect().await;
        let channel: Channel = connection.create_channel().await.unwrap();
        let taken = match channel.basic_get(queue.into(), BasicGetOptions::default()).await {
            Ok(taken) => taken,
            // A queue that is not declared yet has nothing in it; nor has one that is known and whose process is just being
            // started.
            Err(error) if ["NOT_FOUND", "noproc"].iter().any(|why| error.to_string().contains(why)) => {
                return None;
            }
            Err(error) => panic!("cannot take a message from {queue}: {error}"),
        };
        if let Some(message) = &taken {
            message.delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        connection.close(200, "OK".into()).await.unwrap();
        taken.map(|message| message.delivery.into())
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let (amqp, path) = (self.url.clone(), format!("vhosts/{}", self.name));
        // Dropped in or out of a runtime: a thread of its own has one in any case. So has its client: those
        // connections that this one's client keeps are driven by the runtime that waits here.
        let deleted = std::thread::spawn(move || {
            let broker = Broker::new(amqp, setting("RABBITMQ_MANAGEMENT_URL")).ok()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(broker.delete(&path)).ok()
        });
        drop(deleted.join());
    }
}

/// What arrives in a queue, in order.
pub struct Recorder {
    consumer: Consumer,
    _connection: Connection,
}

impl Recorder {
    /// The next message.
    ///
    /// # Panics
    /// When none comes within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Message {
        self.try_next(limit).await.unwrap_or_else(|| panic!("nothing was published within {limit:?}"))
    }

    /// The next message, or `None` when none comes within `limit`.
    ///
    /// # Panics
    /// When the connection ends.
    pub async fn try_next(&mut self, limit: Duration) -> Option<Message> {
        let next = tokio::time::timeout(limit, self.consumer.next()).await.ok()?;
        Some(next.expect("the consumer is not cancelled").expect("the connection holds").into())
    }
}
