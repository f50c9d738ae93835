//! One scan of a dead-letter queue: what it does with each message.

use std::time::{Duration, Instant};

use lapin::{
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions},
    types::FieldTable,
};

use super::{Action, letter::event_id};
use crate::rabbitmq::{
    BrokerConfig, BrokerError, PublishError,
    ask::absent_as_none,
    connection::{Connected, deadline},
    headers,
    publisher::Publisher,
    topology::{self, SubscriberTopology},
};

/// Every scan counts as a delivery, and some versions of the broker drop a message after twenty of them. A message
/// that was delivered this often is replaced by a copy, whose count starts again.
const MAX_DELIVERIES: u64 = 10;

/// One scan of a dead-letter queue.
pub(super) struct Scan<'a> {
    config: &'a BrokerConfig,
    topology: SubscriberTopology,
    connected: Connected,
    /// Opened on first use, because a publishing connection may be blocked.
    publisher: Option<Publisher>,
    until: Instant,
    /// The number of messages when it started, and of those still to come. Copies behind them are not read.
    pub(super) count: u64,
    pub(super) left: Option<u64>,
    pub(super) looked_at: u64,
    pub(super) is_out_of_time: bool,
}

impl<'a> Scan<'a> {
    pub(super) async fn begin(
        config: &'a BrokerConfig,
        subscriber: &str,
        time: Duration,
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            config,
            topology: SubscriberTopology::of(subscriber),
            connected: Connected::open(config, &format!("{subscriber} (dead letters)")).await?,
            publisher: None,
            until: Instant::now() + time,
            count: 0,
            left: None,
            looked_at: 0,
            is_out_of_time: false,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<BasicGetMessage>, BrokerError> {
        if self.left == Some(0) {
            return Ok(None);
        }
        // The first tells how many there are.
        if self.left.is_some() && Instant::now() > self.until {
            self.is_out_of_time = true;
            return Ok(None);
        }
        let get =
            self.connected.channel.basic_get(self.topology.dead.as_str().into(), BasicGetOptions::default());
        // A missing queue is empty.
        let Some(message) = deadline("take a dead letter", absent_as_none(get)).await?.flatten() else {
            return Ok(None);
        };
        let behind = u64::from(message.message_count);
        if self.left.is_none() {
            self.count = behind + 1;
        }
        self.left = Some(self.left.map_or(behind, |left| left.saturating_sub(1)));
        self.looked_at += 1;
        Ok(Some(message))
    }

    /// Does as the operator wants, and takes the message off the queue.
    pub(super) async fn act(&mut self, action: Action, delivery: &Delivery) -> Result<(), PublishError> {
        if action == Action::Replay {
            let headers = headers::without_failure(&delivery.properties);
            self.send(topology::AGAIN, delivery, headers).await?;
        }
        self.take(delivery).await
    }

    /// Leaves a message where it is, or replaces it by a copy with a new count.
    pub(super) async fn leave(&mut self, delivery: &Delivery) -> Result<(), PublishError> {
        let deliveries = headers::number(&delivery.properties, headers::DELIVERY_COUNT).unwrap_or_default();
        if deliveries < MAX_DELIVERIES {
            return Ok(());
        }
        let mut headers = FieldTable::default();
        let all = delivery.properties.headers().iter().flat_map(FieldTable::inner);
        for (name, value) in all.filter(|(name, _)| !headers::is_a_count(name.as_str())) {
            headers.insert(name.clone(), value.clone());
        }
        self.send(topology::DEAD, delivery, headers).await?;
        self.take(delivery).await
    }

    /// Publishes a message through the subscriber's redirect exchange, and waits until the broker has it.
    async fn send(
        &mut self,
        key: &str,
        delivery: &Delivery,
        headers: FieldTable,
    ) -> Result<(), PublishError> {
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            vacant => {
                let name = "dead letters (redirect)";
                vacant.insert(Publisher::to_exchange(self.config, name, &self.topology.redirect).await?)
            }
        };
        let properties = headers::carried(&delivery.properties).with_headers(headers);
        let event_id = event_id(&delivery.properties).unwrap_or_default();
        publisher.forward(event_id, key, &delivery.data, properties).await?.outcome().await
    }

    async fn take(&self, delivery: &Delivery) -> Result<(), PublishError> {
        let ack = self.connected.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        Ok(deadline("take a dead letter off its queue", ack).await?)
    }

    /// Returns the messages that were not acknowledged.
    pub(super) async fn end(self) {
        if let Some(publisher) = self.publisher {
            publisher.close().await;
        }
        self.connected.close().await;
    }
}
