//! One connection, with a deadline on every call.

use std::time::Duration;

use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How long the broker may take to answer one call. A frozen or blocked broker does not refuse: it is
/// silent, for ever.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Heartbeat, in seconds, where the URL names none: a dead network is noticed after twice that. The
/// broker's own suggestion of 60 would mean two minutes of blindness.
const HEARTBEAT: u16 = 5;

/// Where the broker is, and the names of what everybody shares.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`.
    pub url: SecretString,
    /// The topic exchange to which events are published; default `shop.events`.
    #[serde(default = "default_exchange")]
    pub exchange: String,
    /// The exchange, and the queue behind it, for events that no queue is bound for; default
    /// `shop.unrouted`.
    #[serde(default = "default_unrouted")]
    pub unrouted: String,
}

impl BrokerSettings {
    /// The broker at `url`, with the default names.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self { url: url.into(), exchange: default_exchange(), unrouted: default_unrouted() }
    }
}

fn default_exchange() -> String {
    "shop.events".to_owned()
}

fn default_unrouted() -> String {
    "shop.unrouted".to_owned()
}

/// The broker did not do what it was asked to. Whatever was on its way is unknown: the connection is
/// to be dropped and the work done again on a new one.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {problem}")]
pub struct BrokerError {
    doing: &'static str,
    problem: Problem,
}

impl BrokerError {
    pub(crate) fn new(doing: &'static str, error: lapin::Error) -> Self {
        Self { doing, problem: Problem::Amqp(error) }
    }

    pub(crate) fn ended(doing: &'static str) -> Self {
        Self { doing, problem: Problem::Ended }
    }
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Amqp(lapin::Error),
    #[error("the broker did not answer within {} s", DEADLINE.as_secs())]
    Silent,
    #[error("the URL is not of the form amqp://user:password@host:port/vhost: {0}")]
    Url(String),
    #[error("the broker ended it")]
    Ended,
}

/// Awaits a call to the broker, for at most [`DEADLINE`].
pub(crate) async fn deadline<T>(
    doing: &'static str,
    call: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BrokerError::new(doing, error)),
        Err(_) => Err(BrokerError { doing, problem: Problem::Silent }),
    }
}

/// An open connection and its one channel.
pub(crate) struct Connected {
    connection: Connection,
    pub(crate) channel: Channel,
}

impl Connected {
    /// Connects under a name that the broker shows to operators. Never recovers by itself: the client
    /// library's recovery hides what became of the messages that were on their way.
    pub(crate) async fn open(settings: &BrokerSettings, name: &str) -> Result<Self, BrokerError> {
        let doing = "connect to the broker";
        let mut uri: AMQPUri = settings
            .url
            .expose_secret()
            .parse()
            .map_err(|problem: String| BrokerError { doing, problem: Problem::Url(problem) })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = deadline(doing, Connection::connect_uri(uri, properties)).await?;
        let channel = deadline("open a channel", connection.create_channel()).await?;
        Ok(Self { connection, channel })
    }

    /// Another channel, for what may end it.
    pub(crate) async fn create_channel(&self) -> Result<Channel, lapin::Error> {
        self.connection.create_channel().await
    }

    /// Whether the broker has stopped reading from this connection, because it is short of memory or
    /// disk.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Whether connection and channel can still be used.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Says good-bye, for at most two seconds: a blocked broker does not answer even that.
    pub(crate) async fn close(self) {
        let goodbye = self.connection.close(200, "OK".into());
        match tokio::time::timeout(Duration::from_secs(2), goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection to the broker was already gone"),
            Err(_) => tracing::debug!("the broker did not say good-bye"),
        }
    }
}
