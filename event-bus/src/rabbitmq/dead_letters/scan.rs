//! One scan of a dead-letter queue: what it does with each message.
//!
//! The first message is asked for, since the answer says how many there are; the others are delivered to a consumer, many
//! ahead. Messages that are left where they are stay unacknowledged and take up the room of their consumer: when half of it
//! is taken up, the next consumer begins behind them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all};
use lapin::{
    Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use super::{Action, DeadLetterError, letter::event_id};
use crate::rabbitmq::{
    BrokerConfig, BrokerError, PublishError,
    ask::absent_as_none,
    connection::{Connected, deadline},
    headers,
    publisher::{Confirm, Publisher},
    topology::{self, SubscriberTopology},
};

/// Every scan counts as a delivery, and some versions of the broker drop a message after twenty of them. A message
/// that was delivered this often is replaced by a copy, whose count starts again.
const MAX_DELIVERIES: u64 = 10;

/// The most messages that are delivered ahead.
const AHEAD: u16 = 200;

/// The most copies that are sent and not confirmed yet.
const IN_FLIGHT: usize = 64;

/// How long nothing may come before the queue is asked whether it is empty: another process may have taken the rest.
const QUIET: Duration = Duration::from_millis(500);

/// A consumer of some of the messages.
struct Window {
    consumer: Consumer,
    /// How many unacknowledged messages it may have, and how many of those are left where they are.
    size: u64,
    left: u64,
    /// It gets no more than is on its way.
    is_ending: bool,
}

/// What a message was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// To be handled again.
    Again,
    /// To replace one that was delivered too often. It may fail: the message is left where it is.
    Copy,
}

/// One scan of a dead-letter queue.
pub(super) struct Scan<'a> {
    config: &'a BrokerConfig,
    subscriber: &'a str,
    topology: SubscriberTopology,
    connected: Connected,
    /// Opened on first use, because a publishing connection may be blocked.
    publisher: Option<Publisher>,
    window: Option<Window>,
    /// What was sent, with the message that it replaces, and what for.
    unconfirmed: Vec<(u64, Confirm, Sent)>,
    /// Whether copies are made: not after one was refused.
    is_copying: bool,
    until: Instant,
    /// At most so many are looked at.
    limit: u64,
    /// The number of messages when it started, and of those still to come. Copies behind them are not read.
    pub(super) count: u64,
    pub(super) left: Option<u64>,
    pub(super) looked_at: u64,
    pub(super) is_out_of_time: bool,
}

impl<'a> Scan<'a> {
    pub(super) async fn begin(
        config: &'a BrokerConfig,
        subscriber: &'a str,
        time: Duration,
        limit: u64,
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            config,
            subscriber,
            topology: SubscriberTopology::of(subscriber),
            connected: Connected::open(config, &format!("{subscriber} (dead letters)")).await?,
            publisher: None,
            window: None,
            unconfirmed: Vec::new(),
            is_copying: true,
            until: Instant::now() + time,
            limit,
            count: 0,
            left: None,
            looked_at: 0,
            is_out_of_time: false,
        })
    }

    /// The next message, if there is one and time for it.
    pub(super) async fn next(&mut self) -> Result<Option<Delivery>, DeadLetterError> {
        if self.left == Some(0) || self.looked_at >= self.limit {
            return Ok(None);
        }
        // The first tells how many there are.
        if self.left.is_some() && Instant::now() > self.until {
            self.is_out_of_time = true;
            return Ok(None);
        }
        let delivery = match self.left {
            None => self.ask().await.map_err(PublishError::from),
            Some(_) => self.following().await,
        };
        let delivery = delivery.map_err(|error| match error {
            PublishError::Unknown(error) if error.is_undecodable() => {
                DeadLetterError::Unreceivable { after: self.looked_at, source: error }
            }
            error => error.into(),
        })?;
        if let Some(left) = self.left.as_mut().filter(|_| delivery.is_some()) {
            *left = left.saturating_sub(1);
            self.looked_at += 1;
        }
        Ok(delivery)
    }

    /// Asks for one message; `None` if there is none.
    async fn ask(&mut self) -> Result<Option<Delivery>, BrokerError> {
        let get =
            self.connected.channel.basic_get(self.topology.dead.as_str().into(), BasicGetOptions::default());
        // A message that cannot be received ends the connection, and leaves the question without an answer.
        let ended = self.connected.ended();
        // A missing queue is empty.
        let message = tokio::select! {
            biased;
            message = deadline("take a dead letter", absent_as_none(get)) => message?.flatten(),
            error = ended => return Err(BrokerError::new("take a dead letter", error)),
        };
        if let Some(message) = &message
            && self.left.is_none()
        {
            self.count = u64::from(message.message_count) + 1;
            self.left = Some(self.count);
        }
        Ok(message.map(|message| message.delivery))
    }

    /// The next message that is delivered.
    async fn following(&mut self) -> Result<Option<Delivery>, PublishError> {
        loop {
            let unconfirmed = self.unconfirmed.len() as u64;
            let Some(window) = &mut self.window else {
                self.window = Some(self.consume().await?);
                continue;
            };
            if unconfirmed > 0 && window.left + unconfirmed >= window.size {
                self.settle().await?;
                continue;
            }
            if 2 * window.left >= window.size && !window.is_ending {
                window.is_ending = true;
                let tag = window.consumer.tag();
                let cancel = self.connected.channel.basic_cancel(tag, BasicCancelOptions::default());
                deadline("end a look at the dead letters", cancel).await?;
                continue;
            }
            match timeout(QUIET, window.consumer.next()).await {
                Ok(Some(delivery)) => {
                    return Ok(Some(
                        delivery.map_err(|error| BrokerError::new("take a dead letter", error))?,
                    ));
                }
                Ok(None) if window.is_ending => self.window = None,
                Ok(None) => return Err(BrokerError::cancelled("take a dead letter").into()),
                Err(_) => return Ok(self.ask().await?),
            }
        }
    }

    async fn consume(&self) -> Result<Window, BrokerError> {
        let wanted = self.left.unwrap_or(1).min(self.limit.saturating_sub(self.looked_at));
        let size = u16::try_from(wanted).unwrap_or(AHEAD).clamp(1, AHEAD);
        let channel = &self.connected.channel;
        let qos = channel.basic_qos(size, BasicQosOptions::default());
        deadline("limit what is delivered ahead", qos).await?;
        let (queue, options) = (self.topology.dead.as_str().into(), BasicConsumeOptions::default());
        let consume = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = deadline("take dead letters", consume).await?;
        Ok(Window { consumer, size: u64::from(size), left: 0, is_ending: false })
    }

    /// Does as the operator wants, and takes the message off the queue: at the latest when all is [settled](Self::settle).
    pub(super) async fn act(&mut self, action: Action, delivery: &Delivery) -> Result<(), PublishError> {
        if action == Action::Replay {
            let mut headers = headers::without_failure(&delivery.properties);
            // What the broker has dead-lettered may have had its effect.
            if headers::text(&delivery.properties, headers::CONSUMER).as_deref() == Some(self.subscriber) {
                headers.insert(headers::WITHOUT_EFFECT.into(), AMQPValue::LongString(self.subscriber.into()));
            }
            self.make_room().await?;
            return self.replace(Sent::Again, delivery, headers).await;
        }
        self.take(delivery.delivery_tag).await
    }

    /// Leaves a message where it is, or replaces it by a copy with a new count.
    pub(super) async fn leave(&mut self, delivery: &Delivery) -> Result<(), PublishError> {
        let deliveries = headers::number(&delivery.properties, headers::DELIVERY_COUNT).unwrap_or_default();
        if deliveries < MAX_DELIVERIES || !self.is_copying {
            self.left_one();
            return Ok(());
        }
        self.make_room().await?;
        let headers = headers::without_counts(&delivery.properties);
        if let Err(error) = self.replace(Sent::Copy, delivery, headers).await {
            self.left_for_good(&error);
        }
        Ok(())
    }

    /// A copy was refused: the message stays, and so do further ones.
    fn left_for_good(&mut self, error: &PublishError) {
        tracing::debug!(subscriber = self.subscriber, %error, "a dead letter cannot be replaced and stays as it is");
        self.is_copying = false;
        self.left_one();
    }

    fn left_one(&mut self) {
        if let Some(window) = &mut self.window {
            window.left += 1;
        }
    }

    async fn make_room(&mut self) -> Result<(), PublishError> {
        if self.unconfirmed.len() >= IN_FLIGHT { self.settle().await } else { Ok(()) }
    }

    /// Publishes a message through the subscriber's redirect exchange; it is taken off the queue when the broker has it
    /// there.
    async fn replace(
        &mut self,
        what: Sent,
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
        let key = if what == Sent::Again { topology::AGAIN } else { topology::DEAD };
        let confirm = publisher.forward(event_id, key, &delivery.data, properties).await?;
        self.unconfirmed.push((delivery.delivery_tag, confirm, what));
        Ok(())
    }

    /// Waits until the broker has everything that was sent, and takes off the queue what that replaces.
    pub(super) async fn settle(&mut self) -> Result<(), PublishError> {
        let sent = self.unconfirmed.drain(..);
        let sent =
            sent.map(|(replaced, confirm, what)| async move { (replaced, confirm.outcome().await, what) });
        let mut settled = Ok(());
        for (replaced, outcome, what) in join_all(sent.collect::<Vec<_>>()).await {
            match outcome {
                Ok(()) => self.take(replaced).await?,
                Err(error) if what == Sent::Copy => self.left_for_good(&error),
                Err(error) => settled = Err(error),
            }
        }
        settled
    }

    async fn take(&self, delivery_tag: u64) -> Result<(), PublishError> {
        let ack = self.connected.channel.basic_ack(delivery_tag, BasicAckOptions::default());
        Ok(deadline("take a dead letter off its queue", ack).await?)
    }

    /// Returns the messages that were not acknowledged.
    pub(super) async fn end(mut self) {
        if let Err(error) = self.leave_the_rest().await {
            tracing::debug!(error = %error, "a look at the dead letters did not end well");
        }
        if let Some(publisher) = self.publisher {
            publisher.close().await;
        }
        self.connected.close().await;
    }

    /// Leaves what was delivered and not looked at where it is. It counts as delivered as well.
    async fn leave_the_rest(&mut self) -> Result<(), PublishError> {
        self.settle().await?;
        let Some(Window { mut consumer, is_ending, .. }) = self.window.take() else { return Ok(()) };
        if !is_ending {
            let cancel = self.connected.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
            deadline("end a look at the dead letters", cancel).await?;
        }
        while let Ok(Some(Ok(delivery))) = timeout(QUIET, consumer.next()).await {
            self.leave(&delivery).await?;
        }
        self.settle().await
    }
}
