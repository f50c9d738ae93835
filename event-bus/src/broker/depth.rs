//! How many messages wait in a queue, without touching any of them.

use lapin::{
    options::QueueDeclareOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};

use super::{
    BrokerError, BrokerSettings,
    connection::{Connected, deadline},
    topology::SubscriberTopology,
};

/// Messages that wait in a subscriber's queues; those that are with its consumer just now do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depths {
    /// In its queue, or waiting there for another try.
    pub waiting: u64,
    /// In its dead-letter queue.
    pub dead: u64,
}

/// Looks at the queues of a subscriber. A queue that is not there has nothing in it. Needs no permission
/// on the queues.
pub async fn depths(settings: &BrokerSettings, subscriber: &str) -> Result<Depths, BrokerError> {
    let connected = Connected::open(settings, "outbox-relay audit").await?;
    let topology = SubscriberTopology::of(subscriber);
    let mut depths = Depths { dead: depth(&connected, &topology.dead).await?, waiting: 0 };
    for queue in topology.waiting() {
        depths.waiting += depth(&connected, &queue).await?;
    }
    connected.close().await;
    Ok(depths)
}

async fn depth(connected: &Connected, queue: &str) -> Result<u64, BrokerError> {
    // The answer that a queue is not there ends the channel: each look has one of its own.
    let channel = deadline("open a channel", connected.create_channel()).await?;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let looked = channel.queue_declare(queue.into(), options, FieldTable::default());
    match deadline("look at a queue", absent_as_none(looked)).await? {
        None => Ok(0),
        Some(queue) => {
            let closed = channel.close(200, "OK".into());
            deadline("close a channel", closed).await?;
            Ok(u64::from(queue.message_count()))
        }
    }
}

async fn absent_as_none<T>(
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
