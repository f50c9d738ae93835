//! Publishing with confirms.

use lapin::{
    BasicProperties, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use uuid::Uuid;

use super::{
    BrokerError, BrokerSettings,
    connection::{Connected, deadline},
    topology,
};
use crate::{
    envelope::{OutgoingEvent, WriteError},
    without::{Safety, without},
};

/// Persistent: kept on disk before it is confirmed.
const PERSISTENT: u8 = 2;

/// What became of a message that was to be published, other than a confirmation.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue took it, not even the one for unrouted events: the topology is broken.
    #[error("no queue took the event {0}")]
    Unroutable(Uuid),
    /// A queue refused it: it is full, or its leader has just gone.
    #[error("the broker refused the event {0}")]
    Rejected(Uuid),
    /// The channel gives no confirms: nothing that it takes can be called published.
    #[error("the channel is not in confirm mode")]
    NotConfirming,
    /// Nobody knows: the connection ended, or the broker was silent for too long. It may still have
    /// been published, or even be published later.
    #[error(transparent)]
    Unknown(#[from] BrokerError),
    /// The event can never be sent as it is.
    #[error(transparent)]
    Unwritable(#[from] WriteError),
}

impl PublishError {
    /// Whether the publisher that said so can be used further.
    pub fn leaves_channel_usable(&self) -> bool {
        matches!(self, Self::Unroutable(_) | Self::Rejected(_))
    }
}

/// A connection that publishes, and only that: a broker short of memory blocks whole connections, and
/// consumers' acknowledgements must not wait behind that.
pub struct Publisher {
    connected: Connected,
    exchange: String,
    /// The one queue that everything is for, instead of those that the exchange finds.
    queue: Option<String>,
}

impl Publisher {
    /// Connects, turns confirms on and declares the exchange for events.
    pub async fn connect(settings: &BrokerSettings, name: &str) -> Result<Self, BrokerError> {
        let publisher = Self::to_exchange(settings, name, &settings.exchange).await?;
        topology::declare_events(&publisher.connected.channel, settings).await?;
        Ok(publisher)
    }

    /// Connects and turns confirms on, to send to this one queue and to nobody else. The queue is not
    /// declared: where it is not there, sending ends in [`PublishError::Unroutable`].
    pub async fn connect_to_queue(
        settings: &BrokerSettings,
        name: &str,
        queue: &str,
    ) -> Result<Self, BrokerError> {
        // The default exchange takes the routing key for the name of a queue.
        Ok(Self { queue: Some(queue.to_owned()), ..Self::to_exchange(settings, name, "").await? })
    }

    /// The same for an exchange that somebody else declares.
    pub(crate) async fn to_exchange(
        settings: &BrokerSettings,
        name: &str,
        exchange: &str,
    ) -> Result<Self, BrokerError> {
        let connected = Connected::open(settings, name).await?;
        let select = connected.channel.confirm_select(ConfirmSelectOptions::default());
        deadline("turn confirms on", select).await?;
        Ok(Self { connected, exchange: exchange.to_owned(), queue: None })
    }

    /// Sends an event, persistent and mandatory. The confirmation is awaited separately, so that many events can
    /// be in flight.
    pub async fn send(&self, event: &OutgoingEvent<'_>) -> Result<Confirm, PublishError> {
        let body = event.to_json()?;
        let mut headers = FieldTable::default();
        let hop = [("traceparent", event.trace.traceparent()), ("tracestate", event.trace.tracestate())];
        for (name, value) in hop.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        let properties = BasicProperties::default()
            .with_content_type(crate::envelope::CONTENT_TYPE.into())
            .with_message_id(event.id.to_string().into())
            .with_type(event.event_type.into())
            .with_timestamp(u64::try_from(event.occurred_at.timestamp()).unwrap_or_default())
            .with_app_id(event.service.into())
            .with_headers(headers);
        let routing_key = self.queue.as_deref().unwrap_or(event.event_type);
        self.send_raw(event.id, routing_key, &body, properties).await
    }

    pub(crate) async fn send_raw(
        &self,
        event_id: Uuid,
        routing_key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Confirm, PublishError> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (exchange, key) = (self.exchange.as_str().into(), routing_key.into());
        let properties = properties.with_delivery_mode(PERSISTENT);
        let publish = self.connected.channel.basic_publish(exchange, key, options, body, properties);
        Ok(Confirm { confirm: deadline("publish", publish).await?, event_id })
    }

    /// Whether the broker has stopped taking messages, because it is short of memory or disk.
    pub fn is_blocked(&self) -> bool {
        self.connected.is_blocked()
    }

    /// Whether the connection still stands, as far as one knows.
    pub fn is_open(&self) -> bool {
        self.connected.is_open()
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.connected.close().await;
    }
}

/// The confirmation of one message, to come.
#[must_use = "a message counts as published only when its confirmation says so"]
pub struct Confirm {
    confirm: PublisherConfirm,
    event_id: Uuid,
}

impl Confirm {
    /// Waits until the broker has taken the message or said that it will not.
    pub async fn outcome(self) -> Result<(), PublishError> {
        let Self { confirm, event_id } = self;
        if without(Safety::Confirms) {
            return Ok(());
        }
        match deadline("have an event confirmed", confirm).await? {
            Confirmation::Ack(None) => Ok(()),
            // A message that no queue takes is returned and *then* acknowledged.
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable(event_id)),
            Confirmation::Nack(_) => Err(PublishError::Rejected(event_id)),
            Confirmation::NotRequested => Err(PublishError::NotConfirming),
        }
    }
}
