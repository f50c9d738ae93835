//! One connection, with a deadline on every call.

use std::time::Duration;

use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use secrecy::ExposeSecret;

use super::BrokerConfig;

/// How long the broker may take to answer one call. A frozen or blocked broker gives no answer and no error.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The heartbeat in seconds if the URL names none. A dead network is noticed after twice that; the broker suggests
/// 60.
const HEARTBEAT: u16 = 5;

/// A call to the broker failed. The outcome of messages in flight is unknown: drop the connection and do the work
/// again on a new one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing}")]
pub struct BrokerError {
    doing: &'static str,
    source: Cause,
}

/// Why a call to the broker failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerErrorKind {
    /// The URL is not one of a broker.
    InvalidUrl,
    /// The broker does not answer in time.
    TimedOut,
    /// There is no connection, or it has ended.
    Disconnected,
    /// The broker refuses the call: a right is missing, or an object does not exist or differs.
    Refused,
}

impl BrokerError {
    pub(crate) fn new(doing: &'static str, error: lapin::Error) -> Self {
        Self { doing, source: Cause::Amqp(error) }
    }

    pub(crate) fn closed(doing: &'static str) -> Self {
        Self { doing, source: Cause::Closed }
    }

    pub(crate) fn timed_out(doing: &'static str, after: Duration) -> Self {
        Self { doing, source: Cause::TimedOut(after) }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> BrokerErrorKind {
        match &self.source {
            Cause::Url(_) => BrokerErrorKind::InvalidUrl,
            Cause::TimedOut(_) => BrokerErrorKind::TimedOut,
            Cause::Amqp(error) if matches!(error.kind(), lapin::ErrorKind::ProtocolError(_)) => {
                BrokerErrorKind::Refused
            }
            Cause::Amqp(_) | Cause::Closed => BrokerErrorKind::Disconnected,
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Amqp(lapin::Error),
    #[error("the broker did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the URL is not of the form amqp://user:password@host:port/vhost: {0}")]
    Url(String),
    #[error("the broker closed it")]
    Closed,
}

/// Awaits a call to the broker, for at most [`DEADLINE`].
pub(crate) async fn deadline<T>(
    doing: &'static str,
    call: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BrokerError::new(doing, error)),
        Err(_) => Err(BrokerError::timed_out(doing, DEADLINE)),
    }
}

/// An open connection and its one channel.
pub(crate) struct Connected {
    connection: Connection,
    pub(crate) channel: Channel,
}

impl Connected {
    /// Connects under a name that the broker shows to operators. The client library's automatic recovery stays off:
    /// it hides the outcome of messages in flight.
    pub(crate) async fn open(config: &BrokerConfig, name: &str) -> Result<Self, BrokerError> {
        let doing = "connect to the broker";
        let mut uri: AMQPUri = config
            .url
            .expose_secret()
            .parse()
            .map_err(|problem: String| BrokerError { doing, source: Cause::Url(problem) })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = deadline(doing, Connection::connect_uri(uri, properties)).await?;
        let channel = deadline("open a channel", connection.create_channel()).await?;
        Ok(Self { connection, channel })
    }

    /// Opens another channel, for calls whose errors close it.
    pub(crate) async fn create_channel(&self) -> Result<Channel, lapin::Error> {
        self.connection.create_channel().await
    }

    /// Whether the broker has stopped reading from this connection because it is short of memory or disk.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Whether connection and channel can still be used.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Closes the connection. Waits at most two seconds, because a blocked broker does not answer.
    pub(crate) async fn close(self) {
        let close = self.connection.close(200, "OK".into());
        match tokio::time::timeout(Duration::from_secs(2), close).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection to the broker was already closed"),
            Err(_) => tracing::debug!("the broker did not confirm the close"),
        }
    }
}
