//! The number of messages in a subscriber's queues.

use lapin::{
    options::QueueDeclareOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};

use super::{
    BrokerConfig, BrokerError,
    connection::{Connected, deadline},
    topology::SubscriberTopology,
};

/// Messages that wait in a subscriber's queues. Delivered and unacknowledged ones do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Depths {
    /// In its queue.
    pub ready: u64,
    /// Consumers at its queue. One is active, the others stand by.
    pub consumers: u32,
    /// In its dead-letter queue.
    pub dead: u64,
    /// Events of all services that no queue was bound for.
    pub unrouted: u64,
}

/// Reads the depths of a subscriber's queues, on a connection of its own with this name. A missing queue is empty.
/// Needs no permission on the queues.
pub async fn depths(config: &BrokerConfig, subscriber: &str, name: &str) -> Result<Depths, BrokerError> {
    let connected = Connected::open(config, name).await?;
    let depths = read(&connected, config, subscriber).await;
    connected.close().await;
    depths
}

async fn read(connected: &Connected, config: &BrokerConfig, subscriber: &str) -> Result<Depths, BrokerError> {
    let topology = SubscriberTopology::of(subscriber);
    let (ready, consumers) = depth(connected, &topology.queue).await?;
    let (dead, _) = depth(connected, &topology.dead).await?;
    let (unrouted, _) = depth(connected, &config.unrouted).await?;
    Ok(Depths { ready, consumers, dead, unrouted })
}

async fn depth(connected: &Connected, queue: &str) -> Result<(u64, u32), BrokerError> {
    // The answer that a queue is missing closes the channel, so each call has its own.
    let channel = deadline("open a channel", connected.create_channel()).await?;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
    match deadline("look at a queue", absent_as_none(declared)).await? {
        None => Ok((0, 0)),
        Some(queue) => {
            let closed = channel.close(200, "OK".into());
            deadline("close a channel", closed).await?;
            Ok((u64::from(queue.message_count()), queue.consumer_count()))
        }
    }
}

/// Maps the error that an object is missing to `None`.
pub(super) async fn absent_as_none<T>(
    call: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<Option<T>, lapin::Error> {
    let not_found = AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND);
    match call.await {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            lapin::ErrorKind::ProtocolError(problem) if *problem.kind() == not_found => Ok(None),
            _ => Err(error),
        },
    }
}
