//! Events of a type without a handler in this process. The queue is bound for them, because the handler was removed, or
//! because another process of the subscriber, of a newer release, has one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lapin::{options::BasicAckOptions, types::FieldTable};

use super::{Shared, message::Message};
use crate::rabbitmq::{BrokerConfig, BrokerError, Connected, deadline};

/// How long after a type was left to other processes its events are nobody's. Twice as long each time that they go on
/// coming although the type was unbound: then a binding that is not ours routes them here, such as a pattern.
const LEFT_FOR: Duration = Duration::from_mins(1);

/// The longest that this gets.
const LONGEST: Duration = Duration::from_hours(1);

/// The types without a handler that were left to other processes of the subscriber lately.
#[derive(Default)]
pub(super) struct Unhandled(Mutex<HashMap<String, Left>>);

struct Left {
    at: Instant,
    /// How long its events are nobody's. It is remembered for as long again, to know that they go on coming.
    lasts: Duration,
    /// Whether its events came back, and it was unbound.
    is_unbound: bool,
}

impl Unhandled {
    /// The type of an event in the batch that another process may handle, unless it was left to others just now and has
    /// come back.
    pub(super) fn to_be_left(
        &self,
        consumer: &str,
        broker: &BrokerConfig,
        messages: &[Message],
    ) -> Option<String> {
        let mut left = self.lock();
        left.retain(|_, left| left.at.elapsed() < 2 * left.lasts);
        let is_over = |message: &&Message| {
            let left = left.get(message.delivery.routing_key.as_str());
            left.is_none_or(|left| left.at.elapsed() >= left.lasts)
        };
        let message = messages.iter().filter(|message| is_nobodys(message, broker)).find(is_over)?;
        let event_type = message.delivery.routing_key.to_string();
        let before = left.get(&event_type).filter(|left| left.is_unbound);
        let lasts = before.map_or(LEFT_FOR, |left| (2 * left.lasts).min(LONGEST));
        if before.is_some() {
            tracing::warn!(
                consumer,
                event_type,
                "a type without a handler was unbound and still comes: does a pattern bind the queue?"
            );
        }
        // What was unbound once is not unbound again.
        let is_unbound = before.is_some();
        left.insert(event_type.clone(), Left { at: Instant::now(), lasts, is_unbound });
        Some(event_type)
    }

    /// Whether a type is to be unbound, because it came back for the first time.
    fn is_to_be_unbound(&self, event_type: &str) -> bool {
        let mut left = self.lock();
        left.get_mut(event_type).is_some_and(|left| !std::mem::replace(&mut left.is_unbound, true))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dead letter that an operator replays, or a type that somebody else routes here, is not ours to ignore.
fn is_nobodys(message: &Message, broker: &BrokerConfig) -> bool {
    message.is_unhandled && message.delivery.exchange.as_str() == broker.exchange
}

/// Takes the events without a handler out of a batch: unbinds their types, and acknowledges them without an effect.
pub(super) async fn ignore(
    shared: &Shared,
    connected: &Connected,
    messages: Vec<Message>,
) -> Result<Vec<Message>, BrokerError> {
    let (unhandled, rest): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| is_nobodys(message, &shared.broker));
    for message in &unhandled {
        let event_type = message.delivery.routing_key.as_str();
        if shared.unhandled.is_to_be_unbound(event_type) {
            tracing::warn!(
                consumer = %shared.consumer, event_type,
                "no handler for this type any more: unbound it; events of it are ignored"
            );
            if let Err(error) = unbind(shared, connected, event_type).await {
                tracing::warn!(consumer = %shared.consumer, event_type, %error, "cannot unbind the type");
            }
        }
        metrics::counter!("inbox_ignored_total", "consumer" => shared.consumer.clone()).increment(1);
        let ack = connected.channel.basic_ack(message.delivery.delivery_tag, BasicAckOptions::default());
        deadline("acknowledge", ack).await?;
    }
    Ok(rest)
}

/// On a channel of its own: a right that is missing closes it.
async fn unbind(shared: &Shared, connected: &Connected, event_type: &str) -> Result<(), BrokerError> {
    let channel = deadline("open a channel", connected.create_channel()).await?;
    let (queue, exchange) = (shared.topology.queue.as_str(), shared.broker.exchange.as_str());
    let unbind =
        channel.queue_unbind(queue.into(), exchange.into(), event_type.into(), FieldTable::default());
    deadline("unbind a type", unbind).await?;
    deadline("close a channel", channel.close(200, "OK".into())).await
}
