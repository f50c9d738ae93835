//! Forwards failed messages to a retry queue or to the dead-letter queue, with the reason.

use lapin::types::AMQPValue;
use uuid::Uuid;

use super::message::Message;
use crate::rabbitmq::{
    BrokerConfig, Confirm, PublishError, Publisher, SubscriberTopology,
    headers::{CONSUMER, FAILED_AT, FAILURES, REASON, ROUTING_KEY, carried, without_copies},
    topology,
};

/// The first bytes of a reason are enough for people.
const REASON_LIMIT: usize = 1_000;

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
        self.dead_letter_after(message, reason, message.failures).await
    }

    async fn dead_letter_after(
        &mut self,
        message: &Message,
        reason: &str,
        failures: u32,
    ) -> Result<Confirm, PublishError> {
        let id = message.event.as_ref().map(|event| event.id).ok();
        let event_id = id.map(tracing::field::display);
        tracing::warn!(consumer = self.consumer, event.id = event_id, reason, "dead-lettered a message");
        metrics::counter!("inbox_dead_lettered_total", "consumer" => self.consumer.to_owned()).increment(1);
        self.send(message, topology::DEAD, reason, failures).await
    }

    /// Sends a message through a retry queue, or to the dead-letter queue after its last try.
    pub(crate) async fn retry(&mut self, message: &Message, reason: &str) -> Result<Confirm, PublishError> {
        let failures = message.failures.saturating_add(1);
        let Some(key) = SubscriberTopology::retry_key(failures) else {
            let reason = format!("failed {failures} times, the last time: {reason}");
            return self.dead_letter_after(message, &reason, failures).await;
        };
        metrics::counter!("inbox_retried_total", "consumer" => self.consumer.to_owned()).increment(1);
        self.send(message, &key, reason, failures).await
    }

    async fn send(
        &mut self,
        message: &Message,
        key: &str,
        reason: &str,
        failures: u32,
    ) -> Result<Confirm, PublishError> {
        let delivery = &message.delivery;
        let mut headers = without_copies(&delivery.properties);
        let reason = reason.get(..reason.floor_char_boundary(REASON_LIMIT)).unwrap_or_default();
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        headers.insert(CONSUMER.into(), AMQPValue::LongString(self.consumer.into()));
        headers.insert(FAILURES.into(), AMQPValue::LongInt(i32::try_from(failures).unwrap_or(i32::MAX)));
        let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
        headers.insert(FAILED_AT.into(), AMQPValue::Timestamp(now));
        if !headers.contains_key(ROUTING_KEY) {
            let original = AMQPValue::LongString(delivery.routing_key.as_str().into());
            headers.insert(ROUTING_KEY.into(), original);
        }
        let mut properties = delivery.properties.clone().with_headers(headers);
        if properties.expiration().is_some() || properties.user_id().is_some() {
            properties = carried(&properties);
        }
        let event_id = message.event.as_ref().map_or(Uuid::nil(), |event| event.id);
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            vacant => {
                let name = format!("{} (redirect)", self.consumer);
                vacant.insert(Publisher::to_exchange(self.settings, &name, &self.topology.redirect).await?)
            }
        };
        publisher.send_raw(event_id, key, &delivery.data, properties).await
    }

    pub(crate) async fn close(self) {
        if let Some(publisher) = self.publisher {
            publisher.close().await;
        }
    }
}
