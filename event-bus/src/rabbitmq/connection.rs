//! One connection, with a deadline on every call.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, Event,
    protocol::{AMQPErrorKind, AMQPHardError},
};
use secrecy::ExposeSecret;

use super::{BrokerConfig, dial, uri};

/// How long the broker may take to answer one call. A frozen or blocked broker gives no answer and no error.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A call to the broker failed. The outcome of messages in flight is unknown: drop the connection and do the work
/// again on a new one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing}")]
pub struct BrokerError {
    doing: &'static str,
    source: Cause,
}

impl BrokerError {
    pub(crate) fn new(doing: &'static str, error: lapin::Error) -> Self {
        Self { doing, source: Cause::Amqp(error) }
    }

    pub(crate) fn closed(doing: &'static str) -> Self {
        Self { doing, source: Cause::Closed }
    }

    /// The broker has cancelled a consumer.
    pub(crate) fn cancelled(doing: &'static str) -> Self {
        Self { doing, source: Cause::Cancelled }
    }

    pub(crate) fn timed_out(doing: &'static str, after: Duration) -> Self {
        Self { doing, source: Cause::TimedOut(after) }
    }

    /// Something is absent, and this user may not declare it.
    pub(super) fn absent(doing: &'static str, what: String) -> Self {
        Self { doing, source: Cause::Absent(what) }
    }

    /// This user has no right on a queue.
    pub(super) fn forbidden(doing: &'static str, queue: String) -> Self {
        Self { doing, source: Cause::Forbidden(queue) }
    }

    /// Whether something is absent that this user may not declare.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self.source, Cause::Absent(_))
    }

    /// The client library's error, if it is one.
    pub(super) fn amqp(&self) -> Option<&lapin::Error> {
        match &self.source {
            Cause::Amqp(error) => Some(error),
            _ => None,
        }
    }

    /// Whether something that the broker has sent cannot be read. It is sent again to the next connection.
    pub(crate) fn is_undecodable(&self) -> bool {
        let Cause::Amqp(error) = &self.source else { return false };
        match error.kind() {
            lapin::ErrorKind::ParsingError(_) => true,
            lapin::ErrorKind::ProtocolError(error) => matches!(
                error.kind(),
                AMQPErrorKind::Hard(
                    AMQPHardError::FRAMEERROR | AMQPHardError::SYNTAXERROR | AMQPHardError::UNEXPECTEDFRAME
                )
            ),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Cause {
    #[error("{0}")]
    Amqp(lapin::Error),
    #[error("the broker did not answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("the URL is not of the form amqp://user:password@host:port/vhost: {0}")]
    Url(String),
    #[error("cannot find the address of {0}")]
    Unresolved(String),
    #[error("{}", each(.0))]
    Addresses(Arc<[(String, Cause)]>),
    #[error("the broker closed it")]
    Closed,
    #[error(
        "the broker has cancelled the consumer: the queue is gone, or messages were held for longer than its \
         consumer timeout"
    )]
    Cancelled,
    #[error(
        "there is no {0}, and this user may not declare it: declare it, or give the user the right to configure it"
    )]
    Absent(String),
    #[error("this user has no right on the queue {0}: give it the right to write to it")]
    Forbidden(String),
}

fn each(failures: &[(String, Cause)]) -> String {
    let texts: Vec<_> = failures.iter().map(|(address, cause)| format!("{address}: {cause}")).collect();
    texts.join("; ")
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
    /// The name of the broker's cluster, where it says that.
    pub(super) cluster: Option<String>,
}

impl Connected {
    /// Connects to the first address of the broker that answers, under a name that the broker shows to operators. The
    /// client library's automatic recovery stays off: it hides the outcome of messages in flight.
    pub(crate) async fn open(config: &BrokerConfig, name: &str) -> Result<Self, BrokerError> {
        Self::open_with(config, name, None).await
    }

    /// The same; where the URL names no largest frame, frames have at most so many bytes. The client library keeps memory for
    /// 64 of them.
    pub(super) async fn open_with(
        config: &BrokerConfig,
        name: &str,
        frame_max: Option<u32>,
    ) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError { doing: "connect to the broker", source };
        let mut nodes =
            uri::parse_all(config.url.expose_secret()).map_err(|problem| failed(Cause::Url(problem)))?;
        for node in &mut nodes {
            node.query.frame_max = node.query.frame_max.or(frame_max);
        }
        let dialled = dial::connect(&nodes, name).await.map_err(failed)?;
        let cluster = dialled.greeting.cluster();
        Ok(Self { connection: dialled.connection, channel: dialled.channel, cluster })
    }

    /// Opens another channel, for calls whose errors close it.
    pub(crate) async fn create_channel(&self) -> Result<Channel, lapin::Error> {
        self.connection.create_channel().await
    }

    /// Waits until the connection ends by itself, from this call on, and says why.
    pub(super) fn ended(&self) -> impl Future<Output = lapin::Error> {
        let mut events = self.connection.events_listener();
        async move {
            while let Some(event) = events.next().await {
                if let Event::Error(error) = event {
                    return error;
                }
            }
            std::future::pending().await
        }
    }

    /// The largest frame in bytes, as agreed with the broker.
    pub(super) fn frame_max(&self) -> u32 {
        self.connection.configuration().frame_max()
    }

    /// Whether the broker has stopped reading from this connection because it is short of memory or disk.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Whether the connection can still be used.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Closes the connection, once. Waits at most two seconds, because a blocked broker does not answer.
    pub(crate) async fn close(&self) {
        let close = self.connection.close(200, "OK".into());
        match tokio::time::timeout(Duration::from_secs(2), close).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection to the broker was already closed"),
            Err(_) => tracing::debug!("the broker did not confirm the close"),
        }
    }
}
