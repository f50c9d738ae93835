//! What stands on the broker, declared again at every connection: a declaration that finds the same
//! thing there does nothing.
//!
//! ```text
//! shop.events (topic) ── <event type> ──> <subscriber>.events
//!      │ nothing bound                        │ rejected, delivery limit
//!      v                                      v
//! shop.unrouted (fanout)              <subscriber>.events.redirect (direct)
//!      v                                ├─ dead ──> <subscriber>.events.dead
//! shop.unrouted (queue)                 ├─ retry.<delay> ──> <subscriber>.events.retry.<delay>
//!                                       └─ again ──> <subscriber>.events   (after the delay)
//! ```
//!
//! Every argument is spelled out, since the broker's defaults changed between 3.13 and 4.0.

use std::time::Duration;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{BrokerError, BrokerSettings, connection::deadline};
use crate::without::{Safety, without};

/// How often the broker hands out one message before it gives it up. High, and not the bound of
/// retries: every crash of a consumer and every cut connection counts against all messages that were
/// with it, innocent ones too. That there is a limit also keeps a returned message at its place in
/// the queue (RabbitMQ 3.10 puts it at the end otherwise).
const DELIVERY_LIMIT: i64 = 100;

/// How many unroutable events are kept to be looked at; the oldest go first.
const UNROUTED_LIMIT: i64 = 100_000;

/// Delays after the first, second, … failure of one message; after the last it is dead-lettered.
pub(crate) const RETRY_DELAYS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

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

/// Declares the exchange for events and, behind it, the place for those that nobody wants.
pub(crate) async fn declare_events(channel: &Channel, settings: &BrokerSettings) -> Result<(), BrokerError> {
    let unrouted = settings.unrouted.as_str();
    let declare =
        channel.exchange_declare(unrouted.into(), ExchangeKind::Fanout, DURABLE, FieldTable::default());
    deadline("declare the exchange for unrouted events", declare).await?;
    let arguments = [("x-max-length", number(UNROUTED_LIMIT)), ("x-overflow", text("drop-head"))];
    declare_queue(channel, unrouted, &arguments).await?;
    bind(channel, unrouted, unrouted, "").await?;

    let mut arguments = table([("alternate-exchange", text(unrouted))]);
    if without(Safety::AlternateExchange) {
        arguments = FieldTable::default();
    }
    let declare =
        channel.exchange_declare(settings.exchange.as_str().into(), ExchangeKind::Topic, DURABLE, arguments);
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

    /// The routing key on which a message waits after its `failures`-th failure, or `None` when it has
    /// had all its retries.
    pub(crate) fn retry_key(failures: u32) -> Option<String> {
        let index = usize::try_from(failures).ok()?.checked_sub(1)?;
        RETRY_DELAYS.get(index).map(|delay| format!("retry.{}ms", delay.as_millis()))
    }

    /// The queue in which a message waits after its `failures`-th failure, or `None` when it has had all its
    /// retries.
    pub(crate) fn retry_queue(&self, failures: u32) -> Option<String> {
        Self::retry_key(failures).map(|key| format!("{}.{key}", self.queue))
    }

    /// Declares the queues and binds the events that the subscriber handles. Fails while the exchange
    /// for events is not there: its owner, the relay, declares it.
    pub(crate) async fn declare(
        &self,
        channel: &Channel,
        settings: &BrokerSettings,
        event_types: impl Iterator<Item = &'static str>,
    ) -> Result<(), BrokerError> {
        let (queue, redirect) = (self.queue.as_str(), self.redirect.as_str());
        let declare =
            channel.exchange_declare(redirect.into(), ExchangeKind::Direct, DURABLE, FieldTable::default());
        deadline("declare the subscriber's redirect exchange", declare).await?;

        declare_queue(channel, &self.dead, &[("x-overflow", text("reject-publish"))]).await?;
        bind(channel, &self.dead, redirect, DEAD).await?;

        for (index, delay) in (1..).zip(RETRY_DELAYS) {
            let Some(key) = Self::retry_key(index) else { continue };
            let name = format!("{queue}.{key}");
            let ttl = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            let arguments =
                [&dead_lettering_to(redirect, AGAIN)[..], &[("x-message-ttl", number(ttl))]].concat();
            declare_queue(channel, &name, &arguments).await?;
            bind(channel, &name, redirect, &key).await?;
        }

        let arguments = [
            &dead_lettering_to(redirect, DEAD)[..],
            &[
                ("x-delivery-limit", number(DELIVERY_LIMIT)),
                // One consumer at a time, whatever the number of processes: two would overtake each other
                // within a key. The broker picks the next when one goes away.
                ("x-single-active-consumer", AMQPValue::Boolean(true)),
            ],
        ]
        .concat();
        declare_queue(channel, queue, &arguments).await?;
        bind(channel, queue, redirect, AGAIN).await?;
        self.bind(channel, settings, event_types).await
    }

    /// Binds the events that the subscriber handles; those that are bound stay so.
    pub(crate) async fn bind(
        &self,
        channel: &Channel,
        settings: &BrokerSettings,
        event_types: impl Iterator<Item = &'static str>,
    ) -> Result<(), BrokerError> {
        for event_type in event_types {
            bind(channel, &self.queue, &settings.exchange, event_type).await?;
        }
        Ok(())
    }
}

/// At least once, like everything else: without the strategy the broker forgets a message on its way.
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
