//! One connection's worth of consuming.

use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerHealth, Shared,
    batch::{Batch, Verdict},
    message::Message,
    redirect::Redirect,
};
use crate::{
    broker::{BrokerError, Connected, PublishError, deadline},
    envelope::BODY_LIMIT,
    inbox::receive::Receipt,
};

/// Messages that the broker may hand out before they are acknowledged: while a batch is written, the next
/// one is on its way. They wait in memory, so there are few enough that they may all be as large as they can.
const PREFETCH: u16 = 128;

/// Messages that share a transaction, at most.
const BATCH: usize = PREFETCH as usize / 2;

/// How long a batch waits for more to share its transaction, where another message had come already while the
/// last batch was written. A message that finds the consumer at rest waits for nothing.
const GATHER: Duration = Duration::from_millis(5);

const _: () =
    assert!(PREFETCH as usize * BODY_LIMIT <= 33 * 1024 * 1024, "what waits to be handled fits in memory");

/// Bytes that share a transaction, about: a batch of large messages is shorter.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How often the queue is bound again. A queue that is deleted ends the session, but with an exchange that is
/// deleted and declared anew only the bindings go, and nobody is told.
const REBIND: Duration = Duration::from_secs(5);

const TAG: &str = "events";

/// Why a session ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("cannot redirect a message: {0}")]
    Redirect(#[from] PublishError),
}

/// Consumes until `stop`, or until the broker or the database goes away. Whatever was delivered and
/// not acknowledged by then, the broker delivers again.
pub(crate) async fn session(shared: &Shared, stop: &CancellationToken) -> Result<(), SessionEnd> {
    let connected = Connected::open(&shared.broker, &shared.consumer).await?;
    let mut redirect = Redirect::new(&shared.broker, &shared.topology, &shared.consumer);
    let outcome = {
        let _until_here = Disconnect(&shared.health);
        consume(shared, &connected, &mut redirect, stop).await
    };
    redirect.close().await;
    connected.close().await;
    outcome
}

/// Says that nothing is consumed any more, however the session ends.
struct Disconnect<'a>(&'a ConsumerHealth);

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        self.0.set_connected(false);
        self.0.0.tally.set_in_hand(0);
    }
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
        // A queue that was deleted ends the stream without an error.
        let first = first.ok_or_else(|| BrokerError::ended("consume"))?;
        let mut messages = vec![Message::read(delivered(first)?, &shared.handlers)];
        let mut bytes = 0;
        let until = Instant::now() + GATHER;
        while messages.len() < BATCH && bytes < BATCH_BYTES {
            let next = match deliveries.next().now_or_never() {
                None if is_busy => timeout_at(until, deliveries.next()).await.ok(),
                next => next,
            };
            let Some(Some(next)) = next else { break };
            let message = Message::read(delivered(next)?, &shared.handlers);
            bytes += message.delivery.data.len();
            messages.push(message);
        }
        shared.health.0.tally.set_in_hand(messages.len());
        let mut batch = Batch::new(messages);
        let handled = handle(shared, connected, &mut batch, stop).await;
        settle(shared, connected, redirect, &batch).await?;
        shared.health.0.tally.set_in_hand(0);
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

/// Handles a batch. While the database is away the batch is kept and nothing else is taken: handing it
/// back to the broker would count against each of its messages. Returns `false` when asked to stop first.
async fn handle(
    shared: &Shared,
    connected: &Connected,
    batch: &mut Batch,
    stop: &CancellationToken,
) -> Result<bool, BrokerError> {
    let mut pauses = super::pauses();
    while let Err(away) = batch.process(&shared.pool, &shared.consumer, &shared.handlers, stop).await {
        if stop.is_cancelled() {
            return Ok(false);
        }
        if shared.health.is_connected() {
            tracing::warn!(consumer = %shared.consumer, reason = %away, "not consuming until it is back");
            shared.health.set_connected(false);
        }
        let pause = pauses.next().unwrap_or(super::LONGEST_PAUSE);
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        if !connected.is_open() {
            return Err(BrokerError::ended("keep a batch while the database is away"));
        }
    }
    if !shared.health.is_connected() {
        tracing::info!(consumer = %shared.consumer, "the database is back; consuming");
        shared.health.set_connected(true);
    }
    Ok(true)
}

/// Hands on what failed, and acknowledges what is done: all that is decided, from the first message on.
async fn settle(
    shared: &Shared,
    connected: &Connected,
    redirect: &mut Redirect<'_>,
    batch: &Batch,
) -> Result<(), SessionEnd> {
    let mut handed_on = Vec::new();
    let (mut is_news, mut last) = (false, None);
    for (message, verdict) in batch.decided_in_a_row() {
        match verdict {
            Verdict::Done(receipt) => {
                shared.count(*receipt);
                is_news |= *receipt == Receipt::First;
            }
            Verdict::Retry(reason) => handed_on.push(redirect.retry(message, reason).await?),
            Verdict::Dead(reason) => handed_on.push(redirect.bury(message, reason).await?),
        }
        last = Some(message.delivery.delivery_tag);
    }
    if is_news {
        (shared.after_commit)();
    }
    for confirm in handed_on {
        confirm.outcome().await?;
    }
    if let Some(tag) = last {
        let options = BasicAckOptions { multiple: true };
        deadline("acknowledge", connected.channel.basic_ack(tag, options)).await?;
    }
    crate::crash_point!("consumer.after_ack");
    Ok(())
}
