//! One connection's worth of consuming.

use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    batch::{DatabaseAway, Verdict, process},
    message::Message,
    redirect::Redirect,
};
use crate::{
    broker::{BrokerError, Connected, PublishError, deadline},
    inbox::receive::Receipt,
};

/// Messages that the broker may hand out before they are acknowledged.
const PREFETCH: u16 = 512;

/// Messages that share a transaction, at most.
const BATCH: usize = 256;

/// Bytes that share a transaction, about: a batch of large messages is shorter.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

const TAG: &str = "events";

/// Why a session ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("cannot redirect a message: {0}")]
    Redirect(#[from] PublishError),
    #[error(transparent)]
    Database(#[from] DatabaseAway),
}

/// Consumes until `stop`, or until the broker or the database goes away. Whatever was delivered and
/// not acknowledged by then, the broker delivers again.
pub(crate) async fn session(shared: &Shared, stop: &CancellationToken) -> Result<(), SessionEnd> {
    let connected = Connected::open(&shared.broker, &shared.consumer).await?;
    let mut redirect = Redirect::new(&shared.broker, &shared.topology, &shared.consumer);
    let outcome = consume(shared, &connected, &mut redirect, stop).await;
    shared.health.set_connected(false);
    redirect.close().await;
    connected.close().await;
    outcome
}

async fn consume(
    shared: &Shared,
    connected: &Connected,
    redirect: &mut Redirect<'_>,
    stop: &CancellationToken,
) -> Result<(), SessionEnd> {
    let channel = &connected.channel;
    shared.topology.declare(channel, &shared.broker, shared.handlers.keys().copied()).await?;
    deadline("limit what is delivered", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let queue = shared.topology.queue.as_str();
    let options = BasicConsumeOptions::default();
    let consume =
        channel.basic_consume(queue.into(), TAG.into(), options, lapin::types::FieldTable::default());
    let mut deliveries = deadline("consume", consume).await?;
    shared.health.set_connected(true);
    tracing::info!(consumer = %shared.consumer, queue, "consuming");

    loop {
        let first = tokio::select! {
            () = stop.cancelled() => break,
            next = deliveries.next() => next,
        };
        // A queue that was deleted ends the stream without an error.
        let first = first.ok_or_else(|| BrokerError::ended("consume"))?;
        let mut messages = vec![Message::read(delivered(first)?, &shared.handlers)];
        let mut bytes = 0;
        while messages.len() < BATCH && bytes < BATCH_BYTES {
            // Only what is already here: a lone message does not wait for others.
            let Some(Some(next)) = deliveries.next().now_or_never() else { break };
            let message = Message::read(delivered(next)?, &shared.handlers);
            bytes += message.delivery.data.len();
            messages.push(message);
        }
        settle(shared, connected, redirect, &messages).await?;
    }
    deadline("stop consuming", channel.basic_cancel(TAG.into(), BasicCancelOptions::default())).await?;
    Ok(())
}

fn delivered(next: lapin::Result<lapin::message::Delivery>) -> Result<lapin::message::Delivery, BrokerError> {
    next.map_err(|error| BrokerError::new("consume", error))
}

/// Handles a batch and acknowledges it: whatever was not committed has been handed on before.
async fn settle(
    shared: &Shared,
    connected: &Connected,
    redirect: &mut Redirect<'_>,
    messages: &[Message],
) -> Result<(), SessionEnd> {
    let verdicts = process(&shared.pool, &shared.consumer, &shared.handlers, messages).await?;
    let mut handed_on = Vec::new();
    for (message, verdict) in messages.iter().zip(&verdicts) {
        match verdict {
            Verdict::Done(receipt) => shared.count(*receipt),
            Verdict::Retry(reason) => handed_on.push(redirect.retry(message, reason).await?),
            Verdict::Dead(reason) => handed_on.push(redirect.bury(message, reason).await?),
        }
    }
    if verdicts.contains(&Verdict::Done(Receipt::First)) {
        (shared.after_commit)();
    }
    for confirm in handed_on {
        confirm.outcome().await?;
    }
    if let Some(last) = messages.last() {
        let options = BasicAckOptions { multiple: true };
        deadline("acknowledge", connected.channel.basic_ack(last.delivery.delivery_tag, options)).await?;
    }
    crate::crash_point!("consumer.after_ack");
    Ok(())
}
