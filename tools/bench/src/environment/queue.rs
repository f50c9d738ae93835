//! A queue of the bench's own.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::until;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

use super::POLL;

/// The exchange of all events.
pub(crate) const EXCHANGE: &str = "shop.events";

/// A quorum queue, bound to one type of event.
pub(crate) struct Queue {
    _connection: Connection,
    pub(crate) channel: Channel,
    name: String,
}

impl Queue {
    /// Declares it, and empties it.
    pub(crate) async fn declare(amqp: &str, name: &str, event_type: &str) -> Result<Self> {
        let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert("alternate-exchange".into(), AMQPValue::LongString("shop.unrouted".into()));
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, durable, arguments).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(name.into(), EXCHANGE.into(), event_type.into(), bind, FieldTable::default())
            .await?;
        let queue = Self { _connection: connection, channel, name: name.to_owned() };
        queue.purge().await?;
        Ok(queue)
    }

    /// Takes all messages away.
    pub(crate) async fn purge(&self) -> Result<()> {
        self.channel.queue_purge(self.name.as_str().into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// How many messages there are.
    pub(crate) async fn depth(&self) -> Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue =
            self.channel.queue_declare(self.name.as_str().into(), passive, FieldTable::default()).await?;
        Ok(queue.message_count())
    }

    /// Waits until there are so many.
    pub(crate) async fn until(&self, depth: u32, limit: Duration) -> Result<()> {
        let holds = async || Ok((self.depth().await? >= depth).then_some(()));
        let holds = until(limit, POLL, holds).await?;
        holds.with_context(|| format!("{} never held {depth} messages", self.name))
    }

    /// The size of one message's body, which is taken away.
    pub(crate) async fn size(&self) -> Result<usize> {
        let options = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(self.name.as_str().into(), options).await?;
        Ok(message.with_context(|| format!("{} is empty", self.name))?.delivery.data.len())
    }

    /// Consumes; what is delivered counts as acknowledged, or not.
    pub(crate) async fn consume(&self, no_ack: bool) -> Result<Consumer> {
        self.channel.basic_qos(1_000, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions { no_ack, ..Default::default() };
        let (queue, tag) = (self.name.as_str().into(), "bench".into());
        Ok(self.channel.basic_consume(queue, tag, options, FieldTable::default()).await?)
    }
}
