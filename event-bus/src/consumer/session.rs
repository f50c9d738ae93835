//! Consuming over one connection.

use std::{pin::pin, time::Duration};

use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerHealth, Shared,
    batch::{Batch, Outcome},
    forward::Forwarder,
    message::Message,
};
use crate::{
    inbox::Receipt,
    rabbitmq::{BrokerError, Connected, PublishError, deadline},
};

/// How often the queue is bound again. A deleted queue ends the session, but a deleted and newly declared exchange
/// silently loses its bindings.
const REBIND: Duration = Duration::from_secs(5);

const TAG: &str = "events";

/// Why a session ended without a stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("cannot forward a message")]
    Forward(#[from] PublishError),
}

/// Consumes until `stop`, or until the connection to the broker is lost. The broker then delivers all
/// unacknowledged messages again.
pub(crate) async fn session(shared: &Shared, stop: &CancellationToken) -> Result<(), SessionEnd> {
    let connected = Connected::open(&shared.broker, &shared.consumer).await?;
    let mut forwarder = Forwarder::new(&shared.broker, &shared.topology, &shared.consumer);
    let outcome = {
        let _disconnect = Disconnect(&shared.health);
        consume(shared, &connected, &mut forwarder, stop).await
    };
    forwarder.close().await;
    connected.close().await;
    outcome
}

/// Reports that nothing is consumed, however the session ends.
struct Disconnect<'a>(&'a ConsumerHealth);

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        self.0.set_connected(false);
        self.0.set_in_hand(0);
    }
}

async fn consume(
    shared: &Shared,
    connected: &Connected,
    forwarder: &mut Forwarder<'_>,
    stop: &CancellationToken,
) -> Result<(), SessionEnd> {
    let channel = &connected.channel;
    shared.topology.declare(channel, &shared.broker, shared.handlers.keys().copied()).await?;
    deadline(
        "limit what is delivered",
        channel.basic_qos(shared.config.prefetch, BasicQosOptions::default()),
    )
    .await?;
    let queue = shared.topology.queue.as_str();
    let options = BasicConsumeOptions::default();
    let consume =
        channel.basic_consume(queue.into(), TAG.into(), options, lapin::types::FieldTable::default());
    let mut deliveries = pin!(deadline("consume", consume).await?.peekable());
    shared.health.set_connected(true);
    tracing::info!(consumer = %shared.consumer, queue, "consuming");

    let mut rebind = tokio::time::interval(REBIND);
    let mut is_busy = false;
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => break,
            _ = rebind.tick() => {
                shared.topology.bind(channel, &shared.broker, shared.handlers.keys().copied()).await?;
                continue;
            }
            next = deliveries.next() => next,
        };
        // A deleted queue ends the stream without an error.
        let first = first.ok_or_else(|| BrokerError::closed("consume"))?;
        let mut messages = vec![Message::read(delivered(first)?, &shared.handlers)];
        let mut bytes = 0;
        let until = Instant::now() + shared.config.linger();
        while messages.len() < shared.config.batch_size && bytes < shared.config.batch_bytes {
            let next = match deliveries.next().now_or_never() {
                None if is_busy => timeout_at(until, deliveries.next()).await.ok(),
                next => next,
            };
            let Some(Some(next)) = next else { break };
            let message = Message::read(delivered(next)?, &shared.handlers);
            bytes += message.delivery.data.len();
            messages.push(message);
        }
        shared.health.set_in_hand(messages.len());
        let mut batch = Batch::new(messages);
        let handled = handle(shared, connected, &mut batch, stop).await;
        settle(shared, connected, forwarder, &batch).await?;
        shared.health.set_in_hand(0);
        if !handled? {
            break;
        }
        is_busy = deliveries.as_mut().peek().now_or_never().is_some();
    }
    deadline("stop consuming", channel.basic_cancel(TAG.into(), BasicCancelOptions::default())).await?;
    Ok(())
}

fn delivered(next: lapin::Result<lapin::message::Delivery>) -> Result<lapin::message::Delivery, BrokerError> {
    next.map_err(|error| BrokerError::new("consume", error))
}

/// Handles a batch. While the database is unavailable the batch is kept and no other is taken: returning it to the
/// broker would count against each of its messages. Returns `false` if a stop comes first.
async fn handle(
    shared: &Shared,
    connected: &Connected,
    batch: &mut Batch,
    stop: &CancellationToken,
) -> Result<bool, BrokerError> {
    let mut pauses = super::pauses();
    while let Err(error) = batch.process(shared, stop).await {
        if stop.is_cancelled() {
            return Ok(false);
        }
        if shared.health.is_connected() {
            tracing::warn!(consumer = %shared.consumer, reason = %error, "not consuming until the database is back");
            shared.health.set_connected(false);
        }
        let pause = pauses.next().unwrap_or(super::LONGEST_PAUSE);
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        if !connected.is_open() {
            return Err(BrokerError::closed("keep a batch while the database is unavailable"));
        }
    }
    if !shared.health.is_connected() {
        tracing::info!(consumer = %shared.consumer, "the database is back; consuming");
        shared.health.set_connected(true);
    }
    Ok(true)
}

/// Forwards failed messages, then acknowledges all decided ones, from the first message on.
async fn settle(
    shared: &Shared,
    connected: &Connected,
    forwarder: &mut Forwarder<'_>,
    batch: &Batch,
) -> Result<(), SessionEnd> {
    let mut confirmations = Vec::new();
    let (mut has_effect, mut has_joined, mut last) = (false, false, None);
    for (message, outcome) in batch.decided_in_a_row() {
        match outcome {
            Outcome::Done(receipt) => {
                shared.count(*receipt);
                has_effect |= matches!(receipt, Receipt::First { .. });
                has_joined |= *receipt == Receipt::Waiting;
            }
            Outcome::Dead(reason) => confirmations.push(forwarder.dead_letter(message, reason).await?),
        }
        last = Some(message.delivery.delivery_tag);
    }
    if has_effect {
        (shared.after_commit)();
    }
    if has_joined {
        shared.retry.joined();
    }
    for confirm in confirmations {
        confirm.outcome().await?;
    }
    if let Some(tag) = last {
        let options = BasicAckOptions { multiple: true };
        deadline("acknowledge", connected.channel.basic_ack(tag, options)).await?;
    }
    crate::crash_point!("consumer.after_ack");
    Ok(())
}
