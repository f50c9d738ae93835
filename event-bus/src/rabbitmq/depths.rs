//! The number of messages in a subscriber's queues.

use lapin::{options::QueueDeclareOptions, types::FieldTable};

use super::{
    BrokerConfig, BrokerError,
    ask::{Answer, ask},
    connection::Connected,
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
    /// Events of all services that no queue was bound for; absent where the user may not look, as a subscriber from
    /// RabbitMQ 4.2.6 on. The relay knows it.
    pub unrouted: Option<u64>,
}

/// Reads the depths of a subscriber's queues, on a connection of its own with this name. A missing queue is empty.
///
/// Up to RabbitMQ 4.2.5 that needs no right on the queues. From then on it needs one: the right to write to a queue is
/// enough and does no harm, because it gives neither its messages nor, without the right to read an exchange, a binding.
pub async fn depths(config: &BrokerConfig, subscriber: &str, name: &str) -> Result<Depths, BrokerError> {
    let connected = Connected::open(config, name).await?;
    let depths = read(&connected, config, subscriber).await;
    connected.close().await;
    depths
}

/// Reads how many unroutable events are kept; `None` where the user may not look. See [`depths`].
pub async fn unrouted(config: &BrokerConfig, name: &str) -> Result<Option<u64>, BrokerError> {
    let connected = Connected::open(config, name).await?;
    let depth = depth(&connected, &config.unrouted).await;
    connected.close().await;
    Ok(depth?.map(|(messages, _)| messages))
}

async fn read(connected: &Connected, config: &BrokerConfig, subscriber: &str) -> Result<Depths, BrokerError> {
    let topology = SubscriberTopology::of(subscriber);
    let own = async |queue: &str| {
        let found = depth(connected, queue).await?;
        found.ok_or_else(|| BrokerError::forbidden("look at a queue", queue.to_owned()))
    };
    let (ready, consumers) = own(&topology.queue).await?;
    let (dead, _) = own(&topology.dead).await?;
    let unrouted = depth(connected, &config.unrouted).await?.map(|(messages, _)| messages);
    Ok(Depths { ready, consumers, dead, unrouted })
}

/// The messages and consumers of a queue; `None` where the user may not look.
async fn depth(connected: &Connected, queue: &str) -> Result<Option<(u64, u32)>, BrokerError> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let found = ask(connected, "look at a queue", async |channel| {
        channel.queue_declare(queue.into(), passive, FieldTable::default()).await
    });
    Ok(match found.await? {
        Answer::Absent => Some((0, 0)),
        Answer::Refused => None,
        Answer::Done(queue) => Some((u64::from(queue.message_count()), queue.consumer_count())),
    })
}
