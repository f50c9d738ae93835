//! The broker's management interface, and messages of the harness's own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long to wait for one more message of a queue that should be empty.
const SOON: Duration = Duration::from_millis(100);

/// Messages of the harness's own that are on their way at once.
const AT_ONCE: usize = 100;

/// The administrator of the private broker.
#[derive(Clone)]
pub(crate) struct Broker {
    client: Client,
    management: String,
    amqp: String,
}

/// A message that was taken off a queue.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// `message_id`, if there is one.
    pub(crate) message_id: Option<String>,
    /// Why it was dead-lettered.
    pub(crate) reason: String,
    /// Whether the harness has marked it as poison.
    pub(crate) is_poison: bool,
}

/// The header that the harness marks its own poison with.
pub(crate) const POISON: &str = "x-chaos-poison";

impl Broker {
    pub(super) fn new(amqp: String, management: String) -> Result<Self> {
        let client = Client::builder().timeout(DEADLINE).no_proxy().build()?;
        Ok(Self { client, management, amqp })
    }

    /// Asks something of the management interface; `path` begins after `/api/`.
    pub(crate) async fn manage(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = self.client.request(method.clone(), format!("{}/api/{path}", self.management));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        ensure!(status.is_success() || status == StatusCode::NOT_FOUND, "{method} {path}: {status}");
        Ok(serde_json::from_str(&answer.text().await?).unwrap_or_default())
    }

    /// Deletes a resource; one that is not there is fine.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        self.manage(Method::DELETE, path, &Value::Null).await.map(drop)
    }

    /// A connection with the administrator's rights, past all proxies.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let connecting = Connection::connect(&self.amqp, ConnectionProperties::default());
        Ok(tokio::time::timeout(DEADLINE, connecting).await.context("the broker does not answer")??)
    }

    /// Publishes messages as anybody with rights might, and waits until the broker has them. Returns how
    /// many it took: it refuses a forged sender by closing the channel.
    pub(crate) async fn publish(
        &self,
        exchange: &str,
        messages: &[(String, Vec<u8>, BasicProperties)],
    ) -> Result<usize> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut taken = 0;
        'all: for some in messages.chunks(AT_ONCE) {
            let mut confirms = Vec::with_capacity(some.len());
            for (key, body, properties) in some {
                let options = BasicPublishOptions::default();
                let properties = properties.clone().with_delivery_mode(2);
                let publish =
                    channel.basic_publish(exchange.into(), key.as_str().into(), options, body, properties);
                confirms.push(publish.await);
            }
            for confirm in confirms {
                let confirmed = tokio::time::timeout(DEADLINE, async { confirm?.await }).await?;
                if !confirmed.is_ok_and(|confirmation| confirmation.is_ack()) {
                    break 'all;
                }
                taken += 1;
            }
        }
        // A channel that the broker has closed may take the connection's goodbye with it.
        drop(connection.close(200, "OK".into()).await);
        Ok(taken)
    }

    /// What there is of a queue; nothing when it is not there.
    pub(crate) async fn look(&self, queue: &str) -> Result<Found> {
        let connection = self.connect().await?;
        let found = look(&connection.create_channel().await?, queue).await;
        drop(connection.close(200, "OK".into()).await);
        found
    }

    /// Takes everything off a queue; nothing when it is not there.
    pub(crate) async fn take_all(&self, queue: &str) -> Result<Vec<Taken>> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let waiting = look(&channel, queue).await?.messages;
        let mut all = Vec::with_capacity(waiting);
        if waiting > 0 {
            let (no_ack, none) =
                (BasicConsumeOptions { no_ack: true, ..Default::default() }, FieldTable::default());
            let mut deliveries = channel.basic_consume(queue.into(), "chaos".into(), no_ack, none).await?;
            loop {
                // The count may be a moment old: what came since is here at once.
                let patience = if all.len() < waiting { DEADLINE } else { SOON };
                match tokio::time::timeout(patience, deliveries.next()).await {
                    Ok(Some(delivery)) => all.push(Taken::of(&delivery?)),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        drop(connection.close(200, "OK".into()).await);
        Ok(all)
    }
}

impl Taken {
    fn of(delivery: &Delivery) -> Self {
        let header = |name: &str| delivery.properties.headers().as_ref()?.inner().get(name).cloned();
        Self {
            message_id: delivery.properties.message_id().as_ref().map(ToString::to_string),
            reason: match header("x-reason") {
                Some(AMQPValue::LongString(reason)) => reason.to_string(),
                _ => String::new(),
            },
            is_poison: header(POISON).is_some(),
        }
    }
}

/// What there is of a queue.
#[derive(Default)]
pub(crate) struct Found {
    /// How many messages wait in it.
    pub(crate) messages: usize,
    /// How many consume it.
    pub(crate) consumers: u32,
}

async fn look(channel: &Channel, queue: &str) -> Result<Found> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
        Ok(found) => {
            let messages = usize::try_from(found.message_count()).unwrap_or(0);
            Ok(Found { messages, consumers: found.consumer_count() })
        }
        Err(error) if error.to_string().contains("NOT_FOUND") => Ok(Found::default()),
        Err(error) => Err(error).with_context(|| format!("cannot look into {queue}")),
    }
}
