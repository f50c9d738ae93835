//! The exchanges and queues on the broker.
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
//! At every connection they are looked for, and declared where they are absent and this user may declare them. Arguments
//! cannot be changed later, so they say only what cannot be said otherwise: the type of a queue, and that one consumer is
//! active at a time. What a queue of another release was declared with stays. Limits and dead-lettering are the broker's
//! policies (`docs/own-service.md`): without them RabbitMQ 4 drops what it has delivered 20 times.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    BrokerConfig, BrokerError,
    ask::{Answer, ask},
    connection::{Connected, deadline},
};

/// Routing keys of the redirect exchange.
pub(crate) const DEAD: &str = "dead";
pub(crate) const AGAIN: &str = "again";

/// Makes sure of the exchange for events and, behind it, of the exchange and queue for unroutable ones.
///
/// Without the exchange for events nothing can be published. Without those for unroutable events only these have nowhere
/// to go, so that is a warning.
pub(crate) async fn ensure_events(connected: &Connected, config: &BrokerConfig) -> Result<(), BrokerError> {
    let (exchange, unrouted) = (config.exchange.as_str(), config.unrouted.as_str());
    if let Err(error) = ensure_unrouted(connected, unrouted).await {
        if !error.is_absence() {
            return Err(error);
        }
        let error = crate::error::chain(&error);
        tracing::warn!(error, "an event that no queue is bound for will wait");
    }
    let alternate = table([("alternate-exchange", text(unrouted))]);
    let wanted = format!("topic, durable, alternate-exchange={unrouted}");
    ensure_exchange(connected, exchange, ExchangeKind::Topic, alternate, &wanted).await
}

async fn ensure_unrouted(connected: &Connected, unrouted: &str) -> Result<(), BrokerError> {
    let (kind, none) = (ExchangeKind::Fanout, FieldTable::default());
    ensure_exchange(connected, unrouted, kind, none, "fanout, durable").await?;
    ensure_queue(connected, unrouted, false).await?;
    // A user who may not bind it relies on the binding that was declared with them.
    let bound = ask(connected, "bind the queue for unrouted events", async |channel| {
        bind_on(channel, unrouted, unrouted, "").await
    });
    bound.await.map(drop)
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

    /// Makes sure of the queues and binds the types that the subscriber handles. Fails while the exchange for events does
    /// not exist.
    pub(crate) async fn ensure(
        &self,
        connected: &Connected,
        config: &BrokerConfig,
        event_types: impl Iterator<Item = &'static str>,
    ) -> Result<(), BrokerError> {
        let (queue, redirect) = (self.queue.as_str(), self.redirect.as_str());
        let (kind, none) = (ExchangeKind::Direct, FieldTable::default());
        ensure_exchange(connected, redirect, kind, none, "direct, durable").await?;
        ensure_queue(connected, &self.dead, false).await?;
        ensure_queue(connected, queue, true).await?;
        bind(&connected.channel, &self.dead, redirect, DEAD).await?;
        bind(&connected.channel, queue, redirect, AGAIN).await?;
        self.bind(&connected.channel, config, event_types).await
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

/// Declares an exchange unless it is there, whatever its arguments are.
async fn ensure_exchange(
    connected: &Connected,
    name: &str,
    kind: ExchangeKind,
    arguments: FieldTable,
    wanted: &str,
) -> Result<(), BrokerError> {
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let passive = ExchangeDeclareOptions { passive: true, ..durable };
    let found = ask(connected, "look for an exchange", async |channel| {
        channel.exchange_declare(name.into(), kind.clone(), passive, FieldTable::default()).await
    });
    // Who may not look will see when it is used.
    if found.await? != Answer::Absent {
        return Ok(());
    }
    let declared = ask(connected, "declare an exchange", async |channel| {
        channel.exchange_declare(name.into(), kind.clone(), durable, arguments).await
    });
    match declared.await? {
        Answer::Done(()) => Ok(()),
        _ => Err(BrokerError::absent("use an exchange", format!("exchange {name} ({wanted})"))),
    }
}

/// Declares a quorum queue unless it is there, whatever its arguments are.
///
/// A subscriber's queue has a single active consumer, whatever the number of processes: two would overtake each other
/// within a key. The broker activates the next one when it ends.
async fn ensure_queue(connected: &Connected, name: &str, single_active: bool) -> Result<(), BrokerError> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let found = ask(connected, "look for a queue", async |channel| {
        channel.queue_declare(name.into(), passive, FieldTable::default()).await.map(drop)
    });
    if found.await? != Answer::Absent {
        return Ok(());
    }
    let mut arguments = table([("x-queue-type", text("quorum"))]);
    let mut wanted = "durable, x-queue-type=quorum".to_owned();
    if single_active {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        wanted.push_str(", x-single-active-consumer=true");
    }
    let declared = ask(connected, "declare a queue", async |channel| {
        channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await.map(drop)
    });
    match declared.await? {
        Answer::Done(()) => Ok(()),
        _ => Err(BrokerError::absent("use a queue", format!("queue {name} ({wanted})"))),
    }
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
    deadline("bind a queue", bind_on(channel, queue, exchange, key)).await
}

async fn bind_on(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), lapin::Error> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await
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
