//! Publishing with confirms.

use std::{
    collections::HashSet,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{
    BrokerConfig, BrokerError,
    connection::{Connected, deadline},
    fit, headers,
    refusal::Refusal,
    topology,
};
use crate::{
    TraceContext,
    envelope::{OutgoingEvent, WriteError},
    span::{KeyValue, Span, SpanKind},
};

/// Persistent: kept on disk before it is confirmed.
const PERSISTENT: u8 = 2;

/// Why an event is not confirmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No queue took it, not even the one for unrouted events: the topology is broken.
    #[error("no queue took the event {0}")]
    Unroutable(Uuid),
    /// A queue refused it: it is full, or its leader has just gone.
    #[error("the broker refused the event {0}")]
    Rejected(Uuid),
    /// The channel gives no confirms, so no event counts as published.
    #[error("the channel is not in confirm mode")]
    NotConfirming,
    /// The outcome is unknown: the connection ended, or the broker did not answer in time. The event may have been
    /// published, or may be published later.
    #[error(transparent)]
    Unknown(#[from] BrokerError),
    /// The event can never be sent as it is.
    #[error(transparent)]
    Unwritable(#[from] WriteError),
}

impl PublishError {
    /// The error, in a word.
    fn kind(&self) -> &'static str {
        match self {
            Self::Unroutable(_) => "unroutable",
            Self::Rejected(_) => "rejected",
            Self::NotConfirming => "not_confirming",
            Self::Unknown(_) => "unconfirmed",
            Self::Unwritable(_) => "unwritable",
        }
    }

    /// Whether the event was not sent because the channel was closed already, so that it is not the cause.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Unknown(error) => error
                .amqp()
                .is_some_and(|error| matches!(error.kind(), lapin::ErrorKind::InvalidChannelState(..))),
            _ => false,
        }
    }

    /// The refusal that ended the channel, because of this event or another one that was in flight on it. `None` where
    /// no event is the cause.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Unknown(error) => Refusal::of(error.amqp()?),
            _ => None,
        }
    }
}

/// A connection that only publishes: a broker short of memory blocks whole publishing connections, and the
/// acknowledgements of consumers must not wait behind that.
pub struct Publisher {
    connected: Arc<Connected>,
    channel: Channel,
    returned: Returned,
    exchange: String,
    /// The only queue to send to, instead of those that the exchange routes to.
    queue: Option<String>,
}

/// The largest frame of a connection that events are published on. The log lets no event have headers of more than 4 KiB,
/// which go in one frame; a payload goes in as many as it takes. A relay has a connection for each database: with the
/// broker's 128 KiB each takes 8 MiB of memory.
const FRAME_MAX: u32 = 32 * 1024;

impl Publisher {
    /// Connects, turns confirms on, and makes sure of the exchange for events and the queue for unroutable ones: they
    /// are declared where they are absent and the user may declare them.
    pub async fn connect(config: &BrokerConfig, name: &str) -> Result<Self, BrokerError> {
        let publisher = Self::open(config, name, &config.exchange, Some(FRAME_MAX)).await?;
        publisher.mend(config).await?;
        Ok(publisher)
    }

    /// Makes sure of the exchange for events and the queue for unroutable ones once more, while events are in flight.
    pub async fn mend(&self, config: &BrokerConfig) -> Result<(), BrokerError> {
        topology::ensure_events(&self.connected, config).await
    }

    /// Opens another channel on the same connection. What closes one of them leaves the other alone.
    pub async fn open_channel(&self) -> Result<Self, BrokerError> {
        let channel = deadline("open a channel", self.connected.create_channel()).await?;
        deadline("turn confirms on", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let connected = Arc::clone(&self.connected);
        let (exchange, queue) = (self.exchange.clone(), self.queue.clone());
        Ok(Self { connected, channel, returned: Returned::default(), exchange, queue })
    }

    /// Connects and turns confirms on, to send to this queue only. The queue is not declared: if it does not exist,
    /// sending ends in [`PublishError::Unroutable`].
    pub async fn connect_to_queue(
        config: &BrokerConfig,
        name: &str,
        queue: &str,
    ) -> Result<Self, BrokerError> {
        // The default exchange takes the routing key as the name of a queue.
        let publisher = Self::open(config, name, "", Some(FRAME_MAX)).await?;
        Ok(Self { queue: Some(queue.to_owned()), ..publisher })
    }

    /// The same for an exchange that is declared elsewhere, and for messages whose headers may fill a frame of the broker's.
    pub(crate) async fn to_exchange(
        config: &BrokerConfig,
        name: &str,
        exchange: &str,
    ) -> Result<Self, BrokerError> {
        Self::open(config, name, exchange, None).await
    }

    async fn open(
        config: &BrokerConfig,
        name: &str,
        exchange: &str,
        frame_max: Option<u32>,
    ) -> Result<Self, BrokerError> {
        let connected = Connected::open_with(config, name, frame_max).await?;
        let channel = connected.channel.clone();
        deadline("turn confirms on", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let (connected, exchange) = (Arc::new(connected), exchange.to_owned());
        Ok(Self { connected, channel, returned: Returned::default(), exchange, queue: None })
    }

    /// Sends an event, persistent and mandatory. The confirmation is awaited separately, so that many events can
    /// be in flight.
    pub async fn send(&self, event: &OutgoingEvent<'_>) -> Result<Confirm, PublishError> {
        let body = event.to_json()?;
        let routing_key = self.queue.as_deref().unwrap_or(event.event_type);
        let mut span = self.publish_span(event, routing_key);
        let properties = properties(event, span.context().as_ref().unwrap_or(event.trace));
        match self.send_raw(event.id, routing_key, &body, properties).await {
            Ok(confirm) => Ok(Confirm { span, ..confirm }),
            Err(error) => {
                span.fail(error.kind());
                Err(error)
            }
        }
    }

    /// The step that lasts until an event is confirmed.
    fn publish_span(&self, event: &OutgoingEvent<'_>, routing_key: &str) -> Span {
        Span::within(event.trace, SpanKind::Producer, || {
            let exchange = if self.exchange.is_empty() { "amq.default" } else { &self.exchange };
            let destination = format!("{exchange}:{routing_key}");
            let attributes = vec![
                KeyValue::new("messaging.system", "rabbitmq"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.operation.name", "publish"),
                KeyValue::new("messaging.destination.name", destination.clone()),
                KeyValue::new("messaging.rabbitmq.destination.routing_key", routing_key.to_owned()),
                KeyValue::new("messaging.message.id", event.id.to_string()),
            ];
            (format!("publish {destination}"), attributes)
        })
    }

    /// Sends a message that somebody else has published, without those of its headers that do not fit into a frame.
    pub(crate) async fn forward(
        &self,
        event_id: Uuid,
        routing_key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Confirm, PublishError> {
        let properties = fit::fitted(properties, self.connected.frame_max());
        self.send_raw(event_id, routing_key, body, properties).await
    }

    async fn send_raw(
        &self,
        event_id: Uuid,
        routing_key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Confirm, PublishError> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (exchange, key) = (self.exchange.as_str().into(), routing_key.into());
        let (message_id, properties) = (id_of(&properties), properties.with_delivery_mode(PERSISTENT));
        let publish = self.channel.basic_publish(exchange, key, options, body, properties);
        let pending = deadline("publish", publish).await?;
        Ok(Confirm { pending, event_id, message_id, returned: self.returned.clone(), span: Span::default() })
    }

    /// The name of the cluster that the broker is, where it says that. Its nodes have it in common.
    pub fn cluster(&self) -> Option<&str> {
        self.connected.cluster.as_deref()
    }

    /// Whether the broker takes no messages because it is short of memory or disk.
    pub fn is_blocked(&self) -> bool {
        self.connected.is_blocked()
    }

    /// Whether the channel is open, as far as known.
    pub fn is_open(&self) -> bool {
        self.is_connected() && self.channel.status().connected()
    }

    /// Whether the connection is open, as far as known.
    pub fn is_connected(&self) -> bool {
        self.connected.is_connected()
    }

    /// Closes the connection, unless another channel of it is in use.
    pub async fn close(self) {
        if let Some(connected) = Arc::into_inner(self.connected) {
            connected.close().await;
        }
    }
}

/// The properties of an event's message. Its headers name the step that sends it, its body the one that made the event.
pub(crate) fn properties(event: &OutgoingEvent<'_>, sending: &TraceContext) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in event.headers.iter().filter(|(name, _)| headers::left_out(name).is_none()) {
        table.insert(name.as_str().into(), AMQPValue::LongString(value.as_str().into()));
    }
    let hop = [("traceparent", sending.traceparent()), ("tracestate", sending.tracestate())];
    for (name, value) in hop.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        table.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default()
        .with_content_type(crate::envelope::CONTENT_TYPE.into())
        .with_message_id(event.id.to_string().into())
        .with_type(event.event_type.into())
        .with_timestamp(u64::try_from(event.occurred_at.timestamp()).unwrap_or_default())
        .with_app_id(event.service.into())
        .with_headers(table)
}

/// The pending confirmation of one event.
#[must_use = "an event counts as published only after its confirmation"]
pub struct Confirm {
    pending: PublisherConfirm,
    event_id: Uuid,
    message_id: ShortString,
    returned: Returned,
    span: Span,
}

/// The messages that a channel has returned, because no queue took them, and that are not confirmed yet, by their ids.
///
/// The broker returns a message before it confirms it. lapin hands it to whichever confirmation comes next, which may be that
/// of another message, and gives the message's own none. Whoever awaits several confirmations awaits them together.
#[derive(Clone, Default)]
struct Returned(Arc<Mutex<HashSet<ShortString>>>);

impl Returned {
    /// Whether the message with this id was returned, once its confirmation is there, with `message`.
    async fn has(&self, id: &ShortString, message: Option<BasicReturnMessage>) -> bool {
        if let Some(message) = message {
            let other = id_of(&message.delivery.properties);
            if other == *id {
                return true;
            }
            self.lock().insert(other);
        }
        // The confirmation that got our message came before this one, and may not have been read yet.
        let mut has_waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut has_waited, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ShortString>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id_of(properties: &BasicProperties) -> ShortString {
    properties.message_id().clone().unwrap_or_default()
}

impl Confirm {
    /// Waits until the broker has confirmed or refused the event.
    pub async fn outcome(self) -> Result<(), PublishError> {
        let Self { pending, event_id, message_id, returned, mut span } = self;
        if crate::without!("confirms") {
            return Ok(());
        }
        let outcome = match deadline("have an event confirmed", pending).await {
            // An unroutable message is returned and *then* acknowledged.
            Ok(Confirmation::Ack(message)) => {
                let is_returned = returned.has(&message_id, message).await;
                if is_returned { Err(PublishError::Unroutable(event_id)) } else { Ok(()) }
            }
            Ok(Confirmation::Nack(message)) => {
                returned.has(&message_id, message).await;
                Err(PublishError::Rejected(event_id))
            }
            Ok(Confirmation::NotRequested) => Err(PublishError::NotConfirming),
            Err(error) => {
                returned.lock().remove(&message_id);
                Err(error.into())
            }
        };
        if let Err(error) = &outcome {
            span.fail(error.kind());
        }
        outcome
    }
}
