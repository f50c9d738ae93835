//! The exchanges and queues on the broker. They are declared at every connection; a repeated declaration does
//! nothing.
//!
//! ```text
//! <exchange> (topic) ── <event type> ──> <subscriber>.events
//!      │ nothing bound                        │ rejected, delivery limit
//!      v                                      v
//! <unrouted> (fanout)                 <subscriber>.events.redirect (direct)
//!      v                                ├─ dead ──> <subscriber>.events.dead
//! <unrouted> (queue)                    └─ again ──> <subscriber>.events   (replayed by an operator)
//! ```
//!
//! Every argument is explicit, because the broker's defaults changed between 3.13 and 4.0.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{BrokerConfig, BrokerError, connection::deadline};

/// How often the broker delivers one message before it dead-letters it. This is not the limit of retries: every
/// crash of a consumer and every cut connection counts against all messages that it held. A limit also keeps a
/// returned message at its position in the queue (without one RabbitMQ 3.10 puts it at the end).
const DELIVERY_LIMIT: i64 = 100;

/// How many unroutable events are kept; the oldest are dropped first.
const UNROUTED_LIMIT: i64 = 100_000;

/// Routing keys of the redirect exchange.
pub(crate) const DEAD: &str = "dead";
pub(crate) const AGAIN: &str = "again";

const DURABLE: ExchangeDeclareOptions = ExchangeDeclareOptions {
    passive: false,
    durable: true,
    auto_delete: false,
    internal: false,
    nowait: false,
};

/// Declares the exchange for events and, behind it, the exchange and queue for unroutable ones.
pub(crate) async fn declare_events(channel: &Channel, config: &BrokerConfig) -> Result<(), BrokerError> {
    let unrouted = config.unrouted.as_str();
    let declare =
        channel.exchange_declare(unrouted.into(), ExchangeKind::Fanout, DURABLE, FieldTable::default());
    deadline("declare the exchange for unrouted events", declare).await?;
    let arguments = [("x-max-length", number(UNROUTED_LIMIT)), ("x-overflow", text("drop-head"))];
    declare_queue(channel, unrouted, &arguments).await?;
    bind(channel, unrouted, unrouted, "").await?;

    let mut arguments = table([("alternate-exchange", text(unrouted))]);
    if crate::without!("alternate-exchange") {
        arguments = FieldTable::default();
    }
    let declare =
        channel.exchange_declare(config.exchange.as_str().into(), ExchangeKind::Topic, DURABLE, arguments);
    deadline("declare the exchange for events", declare).await
}

/// The names of one subscriber's queues.
#[derive(Debug, Clone)]
pub(crate) struct SubscriberTopology {
    pub(crate) queue: String,
    pub(crate) redirect: String,
    pub(crate) dead: String,
}

impl SubscriberTopology {
    /// The names for a subscriber, `<subscriber>.events…`.
    pub(crate) fn of(subscriber: &str) -> Self {
        let queue = format!("{subscriber}.events");
        Self { redirect: format!("{queue}.redirect"), dead: format!("{queue}.dead"), queue }
    }

    /// Declares the queues and binds the types that the subscriber handles. Fails while the exchange for events does
    /// not exist: the relay declares it.
    pub(crate) async fn declare(
        &self,
        channel: &Channel,
        config: &BrokerConfig,
        event_types: impl Iterator<Item = &'static str>,
    ) -> Result<(), BrokerError> {
        let (queue, redirect) = (self.queue.as_str(), self.redirect.as_str());
        let declare =
            channel.exchange_declare(redirect.into(), ExchangeKind::Direct, DURABLE, FieldTable::default());
        deadline("declare the subscriber's redirect exchange", declare).await?;

        declare_queue(channel, &self.dead, &[("x-overflow", text("reject-publish"))]).await?;
        bind(channel, &self.dead, redirect, DEAD).await?;

        let arguments = [
            &dead_lettering_to(redirect, DEAD)[..],
            &[
                ("x-delivery-limit", number(DELIVERY_LIMIT)),
                // One active consumer, whatever the number of processes: two would overtake each other within a key.
                // The broker activates the next one when it ends.
                ("x-single-active-consumer", AMQPValue::Boolean(true)),
            ],
        ]
        .concat();
        declare_queue(channel, queue, &arguments).await?;
        bind(channel, queue, redirect, AGAIN).await?;
        self.bind(channel, config, event_types).await
    }

    /// Binds the types that the subscriber handles; existing bindings stay.
    pub(crate) async fn bind(
        &self,
        channel: &Channel,
        config: &BrokerConfig,
        event_types: impl Iterator<Item = &'static str>,
    ) -> Result<(), BrokerError> {
        for event_type in event_types {
            bind(channel, &self.queue, &config.exchange, event_type).await?;
        }
        Ok(())
    }
}

/// At least once: without the strategy the broker may lose a message on its way to the other queue.
fn dead_lettering_to(exchange: &str, key: &str) -> [(&'static str, AMQPValue); 4] {
    [
        ("x-dead-letter-exchange", text(exchange)),
        ("x-dead-letter-routing-key", text(key)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: &[(&'static str, AMQPValue)],
) -> Result<(), BrokerError> {
    let arguments = table([("x-queue-type", text("quorum"))].into_iter().chain(arguments.iter().cloned()));
    let declare = channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments);
    deadline("declare a queue", declare).await.map(drop)
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
    let options = QueueBindOptions::default();
    let bind = channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default());
    deadline("bind a queue", bind).await
}

fn table(arguments: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn number(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}
