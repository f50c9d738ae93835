//! Consuming over one connection.

use std::{pin::pin, time::Duration};

use futures_util::{FutureExt, future::join_all};
use lapin::{
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerHealth, Shared,
    batch::{Batch, Outcome},
    deliveries::Deliveries,
    forward::Forwarder,
    message::Message,
    unhandled,
};
use crate::{
    error::chain,
    inbox::Receipt,
    rabbitmq::{BrokerError, Connected, PublishError, deadline},
};

/// How often the queue is bound again. A deleted queue ends the session, but a deleted and newly declared exchange
/// silently loses its bindings.
const REBIND: Duration = Duration::from_secs(5);

const TAG: &str = "events";

/// While isolating: after so long without a delivery the message is no longer in the queue.
const ISOLATED_AFTER: Duration = Duration::from_secs(3);

/// How many messages a session takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Batches,
    /// One at a time, because one of the next messages cannot be received: it ends the connection, again and again,
    /// until the broker dead-letters it at its delivery limit. The broker counts a delivery of every message that was
    /// delivered with it, and would dead-letter those as well. Ends when as many messages are handled as usually are
    /// delivered together, or when none comes for a while.
    Isolating,
}

/// A session that has done what it was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Stopped,
    /// The message that could not be received is not in the queue any more.
    Isolated,
}

/// Why a session ended without a stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(
        "the next message of the queue cannot be received; the broker dead-letters it at its delivery limit"
    )]
    Unreceivable(#[source] BrokerError),
    #[error("cannot forward a message")]
    Forward(#[from] PublishError),
    #[error("gave messages back that could not be handled within {} s", .0.as_secs())]
    GaveBack(Duration),
    #[error(
        "no handler for events of type {0} here: left them to other processes of the subscriber, if there are any"
    )]
    LeftToOthers(String),
}

impl SessionEnd {
    pub(crate) fn is_unreceivable(&self) -> bool {
        matches!(self, Self::Unreceivable(_))
    }

    fn of_deliveries(error: BrokerError) -> Self {
        if error.is_undecodable() { Self::Unreceivable(error) } else { Self::Broker(error) }
    }
}

/// Consumes until `stop`, or until the connection to the broker is lost. The broker then delivers all
/// unacknowledged messages again.
pub(crate) async fn session(
    shared: &Shared,
    mode: Mode,
    stop: &CancellationToken,
) -> Result<Ended, SessionEnd> {
    let opened = stop.run_until_cancelled(Connected::open(&shared.broker, &shared.consumer)).await;
    let Some(connected) = opened.transpose()? else { return Ok(Ended::Stopped) };
    let mut forwarder = Forwarder::new(&shared.broker, &shared.topology, &shared.consumer);
    let outcome = {
        let _disconnect = Disconnect(&shared.health);
        consume(shared, mode, &connected, &mut forwarder, stop).await
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
    mode: Mode,
    connected: &Connected,
    forwarder: &mut Forwarder<'_>,
    stop: &CancellationToken,
) -> Result<Ended, SessionEnd> {
    let channel = &connected.channel;
    shared.topology.ensure(connected, &shared.broker, shared.handlers.keys().copied()).await?;
    let prefetch = if mode == Mode::Isolating { 1 } else { shared.config.prefetch };
    deadline("limit what is delivered", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let queue = shared.topology.queue.as_str();
    let options = BasicConsumeOptions::default();
    let consume =
        channel.basic_consume(queue.into(), TAG.into(), options, lapin::types::FieldTable::default());
    let mut deliveries = Deliveries::new(deadline("consume", consume).await?);
    shared.health.set_connected(true);
    tracing::info!(consumer = %shared.consumer, queue, "consuming");

    let mut rebind = tokio::time::interval(REBIND);
    let (mut is_busy, mut taken) = (false, 0);
    let ended = loop {
        let first = tokio::select! {
            () = stop.cancelled() => break Ended::Stopped,
            _ = rebind.tick() => {
                shared.topology.bind(channel, &shared.broker, shared.handlers.keys().copied()).await?;
                continue;
            }
            next = deliveries.next() => next.map_err(SessionEnd::of_deliveries)?,
            () = tokio::time::sleep(ISOLATED_AFTER), if mode == Mode::Isolating => break Ended::Isolated,
        };
        let messages = collect(shared, first, &mut deliveries, is_busy).await;
        taken += messages.len();
        if let Some(event_type) = shared.unhandled.to_be_left(&shared.consumer, &shared.broker, &messages) {
            give_back(connected).await?;
            return Err(SessionEnd::LeftToOthers(event_type));
        }
        let messages = unhandled::ignore(shared, connected, messages).await?;
        shared.health.set_in_hand(messages.len());
        let mut batch = Batch::new(messages);
        let handled = handle(shared, connected, &mut deliveries, &mut batch, stop).await;
        report(shared, &batch);
        let handled = handled?;
        settle(connected, forwarder, &batch).await?;
        shared.health.set_in_hand(0);
        if !handled {
            break Ended::Stopped;
        }
        if mode == Mode::Isolating && taken >= usize::from(shared.config.prefetch) {
            break Ended::Isolated;
        }
        is_busy = deliveries.has_next();
    };
    deadline("stop consuming", channel.basic_cancel(TAG.into(), BasicCancelOptions::default())).await?;
    Ok(ended)
}

/// The messages of a batch: those that are there, and under load those of the next few milliseconds.
async fn collect(
    shared: &Shared,
    first: Delivery,
    deliveries: &mut Deliveries,
    is_busy: bool,
) -> Vec<Message> {
    let mut messages = vec![Message::read(first, &shared.handlers)];
    let mut bytes = 0;
    let until = Instant::now() + shared.config.linger();
    while messages.len() < shared.config.batch_size && bytes < shared.config.batch_bytes {
        let next = match deliveries.next().now_or_never() {
            None if is_busy => timeout_at(until, deliveries.next()).await.ok(),
            next => next,
        };
        // An error ends the session at the next delivery.
        let Some(Ok(next)) = next else { break };
        bytes += next.data.len();
        messages.push(Message::read(next, &shared.handlers));
    }
    messages
}

/// Handles a batch; `false` if a stop comes first.
///
/// While the database is unavailable the batch is kept and no other is taken: a returned message counts as delivered
/// once more, and at the broker's limit it is dead-lettered. After [`hold_s`](super::SubscriberConfig::hold_s) all
/// messages are given back, before the broker takes them. Either way the session ends only after the database has
/// handled the batch, so nothing is taken from the broker that cannot be handled. The inbox makes the second delivery
/// of these messages harmless.
async fn handle(
    shared: &Shared,
    connected: &Connected,
    deliveries: &mut Deliveries,
    batch: &mut Batch,
    stop: &CancellationToken,
) -> Result<bool, SessionEnd> {
    let mut process = pin!(process(shared, batch, stop));
    let end = tokio::select! {
        biased;
        handled = &mut process => {
            if handled && !shared.health.is_connected() {
                tracing::info!(consumer = %shared.consumer, "the database is back; consuming");
                shared.health.set_connected(true);
            }
            return Ok(handled);
        }
        end = deliveries.end() => SessionEnd::of_deliveries(end),
        () = tokio::time::sleep(shared.config.hold()) => {
            // A broker that does not answer has them back when the connection is gone.
            let gave_back = give_back(connected).await;
            gave_back.map_or_else(SessionEnd::from, |()| SessionEnd::GaveBack(shared.config.hold()))
        }
    };
    // RabbitMQ 4.3 cancels a consumer that holds a delivery for too long, and hands nothing to the next one of the queue
    // while the connections of those it has cancelled last.
    connected.close().await;
    if shared.health.fail(&chain(&end)) {
        tracing::warn!(consumer = %shared.consumer, reason = chain(&end), "not consuming until the batch is handled");
    }
    if process.await { Err(end) } else { Ok(false) }
}

/// Takes no more messages, and returns all that are not acknowledged. Unlike a lost connection this does not count
/// towards the delivery limit of newer brokers.
async fn give_back(connected: &Connected) -> Result<(), BrokerError> {
    let cancel = connected.channel.basic_cancel(TAG.into(), BasicCancelOptions::default());
    deadline("stop consuming", cancel).await?;
    let all = BasicNackOptions { multiple: true, requeue: true };
    deadline("give messages back", connected.channel.basic_nack(0, all)).await
}

/// Tries until the batch is decided; `false` if a stop comes first.
async fn process(shared: &Shared, batch: &mut Batch, stop: &CancellationToken) -> bool {
    let mut pauses = super::pauses();
    while let Err(error) = batch.process(shared, stop).await {
        if stop.is_cancelled() {
            return false;
        }
        if shared.health.fail(&error.to_string()) {
            tracing::warn!(consumer = %shared.consumer, reason = %error, "not consuming until the database is back");
        }
        let pause = pauses.next().unwrap_or(super::LONGEST_PAUSE);
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    true
}

/// Counts what was committed, and says so to those who wait for it.
fn report(shared: &Shared, batch: &Batch) {
    let (mut has_effect, mut has_joined) = (false, false);
    for (_, outcome) in batch.decided_in_a_row() {
        if let Outcome::Done(receipt) = outcome {
            shared.count(*receipt);
            has_effect |= matches!(receipt, Receipt::First { .. });
            has_joined |= *receipt == Receipt::Waiting;
        }
    }
    if has_effect {
        (shared.after_commit)();
    }
    if has_joined {
        shared.retry.joined();
    }
}

/// Forwards failed messages, then acknowledges all decided ones. What the broker does not take back holds up none of the
/// others: it is all that comes again.
async fn settle(
    connected: &Connected,
    forwarder: &mut Forwarder<'_>,
    batch: &Batch,
) -> Result<(), SessionEnd> {
    let (mut decided, mut sent, mut outcome) = (Vec::new(), Vec::new(), Ok(()));
    for (message, decision) in batch.decided_in_a_row() {
        let tag = message.delivery.delivery_tag;
        match decision {
            Outcome::Done(_) => decided.push(tag),
            // Each further one would take as long to fail.
            Outcome::Dead(_) if outcome.is_err() => {}
            Outcome::Dead(reason) => match forwarder.dead_letter(message, reason).await {
                Ok(confirm) => sent.push((tag, confirm)),
                Err(error) => outcome = Err(error),
            },
        }
    }
    let sent = sent.into_iter().map(|(tag, confirm)| async move { (tag, confirm.outcome().await) });
    for (tag, confirmed) in join_all(sent).await {
        match confirmed {
            Ok(()) => decided.push(tag),
            Err(error) => outcome = Err(error),
        }
    }
    acknowledge(connected, decided, outcome.is_ok()).await?;
    outcome?;
    crate::crash_point!("consumer.after_ack");
    Ok(())
}

/// Acknowledges these messages: at once if they are `all` that was delivered up to the last of them, else each by itself.
async fn acknowledge(connected: &Connected, mut tags: Vec<u64>, all: bool) -> Result<(), BrokerError> {
    if all {
        tags.sort_unstable();
        tags.drain(..tags.len().saturating_sub(1));
    }
    for tag in tags {
        let ack = connected.channel.basic_ack(tag, BasicAckOptions { multiple: all });
        deadline("acknowledge", ack).await?;
    }
    Ok(())
}
