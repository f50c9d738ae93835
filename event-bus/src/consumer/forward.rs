//! Forwards messages to the dead-letter queue, with the reason.

use lapin::{BasicProperties, types::AMQPValue};
use uuid::Uuid;

use super::message::Message;
use crate::{
    envelope::{IncomingEvent, OutgoingEvent, WriteError},
    error::shortened,
    inbox::waiting::Waiting,
    rabbitmq::{
        BrokerConfig, PublishError, SubscriberTopology,
        headers::{self, CONSUMER, FAILED_AT, FAILURES, REASON, carried, with_routing_key, without_copies},
        publisher::{Confirm, Publisher, properties},
        topology,
    },
};

/// Publishes to the subscriber's redirect exchange, on a connection of its own that is opened on first use.
pub(crate) struct Forwarder<'a> {
    settings: &'a BrokerConfig,
    topology: &'a SubscriberTopology,
    consumer: &'a str,
    publisher: Option<Publisher>,
}

impl<'a> Forwarder<'a> {
    pub(crate) fn new(
        settings: &'a BrokerConfig,
        topology: &'a SubscriberTopology,
        consumer: &'a str,
    ) -> Self {
        Self { settings, topology, consumer, publisher: None }
    }

    /// Sends a message to the dead-letter queue, with the reason. The original may be acknowledged after the
    /// returned confirmation.
    pub(crate) async fn dead_letter(
        &mut self,
        message: &Message,
        reason: &str,
    ) -> Result<Confirm, PublishError> {
        let id = message.event.as_ref().map(|event| event.id).ok();
        let properties = message.properties(&self.topology.redirect);
        self.send(id, properties, &message.delivery.data, reason, 0).await
    }

    /// Sends an event that has waited to the dead-letter queue, with the reason, and waits for the confirmation.
    pub(crate) async fn dead_letter_event(
        &mut self,
        waiting: &Waiting,
        reason: &str,
    ) -> Result<(), PublishError> {
        let event = &waiting.event;
        let original = waiting.original.as_ref();
        let original =
            original.and_then(|kept| Some((headers::decoded(&kept.properties)?, kept.body.clone())));
        let (properties, body) = match original {
            Some(original) => original,
            None => rebuilt(event)?,
        };
        let id = Some(event.id);
        let properties = with_routing_key(properties, &event.event_type);
        let sent = self.send(id, properties, &body, reason, waiting.failures).await?;
        sent.outcome().await
    }

    async fn send(
        &mut self,
        event_id: Option<Uuid>,
        properties: BasicProperties,
        body: &[u8],
        reason: &str,
        failures: u32,
    ) -> Result<Confirm, PublishError> {
        let mut headers = without_copies(&properties);
        headers.insert(REASON.into(), AMQPValue::LongString(shortened(reason).into()));
        headers.insert(CONSUMER.into(), AMQPValue::LongString(self.consumer.into()));
        headers.insert(FAILURES.into(), AMQPValue::LongInt(i32::try_from(failures).unwrap_or(i32::MAX)));
        let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
        headers.insert(FAILED_AT.into(), AMQPValue::Timestamp(now));
        let mut properties = properties.with_headers(headers);
        if properties.expiration().is_some() || properties.user_id().is_some() {
            properties = carried(&properties);
        }
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            vacant => {
                let name = format!("{} (redirect)", self.consumer);
                vacant.insert(Publisher::to_exchange(self.settings, &name, &self.topology.redirect).await?)
            }
        };
        let confirm =
            publisher.forward(event_id.unwrap_or_default(), topology::DEAD, body, properties).await?;
        let event = event_id.map(tracing::field::display);
        tracing::warn!(consumer = self.consumer, event.id = event, reason, "dead-lettered a message");
        metrics::counter!("inbox_dead_lettered_total", "consumer" => self.consumer.to_owned()).increment(1);
        Ok(confirm)
    }

    pub(crate) async fn close(self) {
        if let Some(publisher) = self.publisher {
            publisher.close().await;
        }
    }
}

/// A message of an event whose own was not kept: without the headers of its publisher, and with the source as the name
/// of the service.
fn rebuilt(event: &IncomingEvent) -> Result<(BasicProperties, Vec<u8>), WriteError> {
    let outgoing = OutgoingEvent {
        id: event.id,
        source: &event.source,
        service: &event.source,
        event_type: &event.event_type,
        key: &event.key,
        version: event.version,
        generation: event.generation,
        occurred_at: event.occurred_at,
        trace: &event.trace,
        headers: &[],
        payload: event.data.get(),
    };
    Ok((properties(&outgoing, outgoing.trace), outgoing.to_json()?))
}
