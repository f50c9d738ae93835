//! RabbitMQ with the administrator's rights: the management API, and messages of the harness's own.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
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

/// How many messages wait for their confirmation at once.
const IN_FLIGHT: usize = 100;

/// How long one node of several may take: the next one is asked then.
const NODE: Duration = Duration::from_secs(4);

/// One virtual host of a broker.
#[derive(Clone)]
pub struct Broker {
    /// Its AMQP URL; that of the first node, if there are several.
    pub url: String,
    nodes: Vec<Node>,
    client: Client,
    deadline: Duration,
}

/// Where one node of a broker is.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its AMQP URL, which names a virtual host.
    pub url: String,
    /// The URL of its management API.
    pub management: String,
}

/// A message that was taken off a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The routing key that it came with.
    pub routing_key: String,
    /// The body.
    pub body: Vec<u8>,
    /// The AMQP properties.
    pub properties: BasicProperties,
    /// The broker's flag.
    pub redelivered: bool,
}

/// The state of a queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueueState {
    /// How many messages wait in it.
    pub messages: usize,
    /// How many consumers it has.
    pub consumers: u32,
}

impl Broker {
    /// The broker at an AMQP URL, which names a virtual host, and at the URL of its management API.
    pub fn new(url: String, management: String) -> Result<Self> {
        Self::of_nodes(vec![Node { url, management }])
    }

    /// The broker that has these nodes. While one is away, the next one is asked.
    pub fn of_nodes(nodes: Vec<Node>) -> Result<Self> {
        let deadline = if nodes.len() == 1 { DEADLINE } else { NODE };
        let client = Client::builder().timeout(deadline).no_proxy().build()?;
        let url = nodes.first().context("a broker without nodes")?.url.clone();
        Ok(Self { url, nodes, client, deadline })
    }

    /// Calls the management API; `path` begins after `/api/`.
    pub async fn manage(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.call(method.clone(), path, body).await?;
        ensure!(status.is_success(), "{method} {path}: {status}");
        Ok(answer)
    }

    /// Deletes a resource; one that is not there is fine.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let (status, _) = self.call(Method::DELETE, path, &Value::Null).await?;
        ensure!(status.is_success() || status == StatusCode::NOT_FOUND, "DELETE {path}: {status}");
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let mut last = None;
        for node in &self.nodes {
            let mut request = self.client.request(method.clone(), format!("{}/api/{path}", node.management));
            if !body.is_null() {
                request = request.json(body);
            }
            match request.send().await {
                Ok(answer) => {
                    let status = answer.status();
                    // Most answers to PUT and DELETE have no body.
                    return Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()));
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.context("a broker without nodes")?;
        Err(error).with_context(|| format!("{method} {path}"))
    }

    /// A connection past all proxies.
    pub async fn connect(&self) -> Result<Connection> {
        let mut last = None;
        for node in &self.nodes {
            let connecting = Connection::connect(&node.url, ConnectionProperties::default());
            match tokio::time::timeout(self.deadline, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = Some(error.into()),
                Err(_) => last = Some(anyhow!("the broker does not answer")),
            }
        }
        Err(last.context("a broker without nodes")?)
    }

    /// Publishes messages (routing key, body, properties) and waits for their confirmations. Returns how many
    /// the broker took: it refuses a forged sender by closing the channel.
    pub async fn publish(
        &self,
        exchange: &str,
        messages: &[(String, Vec<u8>, BasicProperties)],
    ) -> Result<usize> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut taken = 0;
        'all: for some in messages.chunks(IN_FLIGHT) {
            let mut confirms = Vec::with_capacity(some.len());
            for (key, body, properties) in some {
                let (options, properties) = (BasicPublishOptions::default(), properties.clone());
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

    /// The state of a queue; empty when the queue does not exist.
    pub async fn queue(&self, queue: &str) -> Result<QueueState> {
        let connection = self.connect().await?;
        let state = state(&connection.create_channel().await?, queue).await;
        drop(connection.close(200, "OK".into()).await);
        state
    }

    /// Takes everything off a queue; nothing when the queue does not exist.
    pub async fn take_all(&self, queue: &str) -> Result<Vec<Message>> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let waiting = state(&channel, queue).await?.messages;
        let mut all = Vec::with_capacity(waiting);
        if waiting > 0 {
            let (no_ack, none) =
                (BasicConsumeOptions { no_ack: true, ..Default::default() }, FieldTable::default());
            let mut deliveries = channel.basic_consume(queue.into(), "harness".into(), no_ack, none).await?;
            loop {
                // The count may be a moment old: what came since is here at once.
                let limit = if all.len() < waiting { DEADLINE } else { SOON };
                match tokio::time::timeout(limit, deliveries.next()).await {
                    Ok(Some(delivery)) => all.push(delivery?.into()),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        drop(connection.close(200, "OK".into()).await);
        Ok(all)
    }
}

impl From<Delivery> for Message {
    fn from(delivery: Delivery) -> Self {
        Self {
            routing_key: delivery.routing_key.as_str().to_owned(),
            body: delivery.data,
            properties: delivery.properties,
            redelivered: delivery.redelivered,
        }
    }
}

impl Message {
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

async fn state(channel: &Channel, queue: &str) -> Result<QueueState> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
        Ok(found) => {
            let messages = usize::try_from(found.message_count()).unwrap_or(0);
            Ok(QueueState { messages, consumers: found.consumer_count() })
        }
        Err(error) if error.to_string().contains("NOT_FOUND") => Ok(QueueState::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read the state of {queue}")),
    }
}
