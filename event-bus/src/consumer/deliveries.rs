//! What the broker delivers.

use std::collections::VecDeque;

use futures_util::{FutureExt, StreamExt};
use lapin::{Consumer, message::Delivery};

use crate::rabbitmq::BrokerError;

/// The deliveries of one session, in order. The broker's limit bounds how many wait here.
pub(super) struct Deliveries {
    consumer: Consumer,
    waiting: VecDeque<Delivery>,
    /// Why there are no more.
    end: Option<BrokerError>,
}

impl Deliveries {
    pub(super) fn new(consumer: Consumer) -> Self {
        Self { consumer, waiting: VecDeque::new(), end: None }
    }

    /// Waits for the next one. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        match self.waiting.pop_front() {
            Some(delivery) => Ok(delivery),
            None => self.receive().await,
        }
    }

    /// Whether there is one already.
    pub(super) fn has_next(&mut self) -> bool {
        if self.waiting.is_empty()
            && let Some(Ok(delivery)) = self.receive().now_or_never()
        {
            self.waiting.push_back(delivery);
        }
        !self.waiting.is_empty()
    }

    /// Waits until the broker delivers no more: the connection is lost, or the broker has cancelled the consumer, as it
    /// does when the queue is deleted or (from 4.3 on) when a delivery is held for too long.
    pub(super) async fn end(&mut self) -> BrokerError {
        loop {
            match self.receive().await {
                Ok(delivery) => self.waiting.push_back(delivery),
                Err(end) => return end,
            }
        }
    }

    async fn receive(&mut self) -> Result<Delivery, BrokerError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let received = match self.consumer.next().await {
            Some(next) => next.map_err(|error| BrokerError::new("consume", error)),
            // A cancelled consumer ends without an error.
            None => Err(BrokerError::cancelled("consume")),
        };
        self.end = received.as_ref().err().cloned();
        received
    }
}
