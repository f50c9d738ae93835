//! Events of a type whose handler was removed. The queue is still bound for them.

use std::collections::HashSet;

use lapin::{options::BasicAckOptions, types::FieldTable};

use super::{Shared, message::Message};
use crate::rabbitmq::{BrokerError, Connected, deadline};

/// Unbinds the types without a handler, each once a session, and acknowledges their events without an effect.
#[derive(Default)]
pub(super) struct Unhandled(HashSet<String>);

impl Unhandled {
    /// Takes the events without a handler out of a batch.
    pub(super) async fn ignore(
        &mut self,
        shared: &Shared,
        connected: &Connected,
        messages: Vec<Message>,
    ) -> Result<Vec<Message>, BrokerError> {
        // A dead letter that an operator replays, or a type that somebody else routes here, is not ours to ignore.
        let is_bound = |message: &Message| message.delivery.exchange.as_str() == shared.broker.exchange;
        let (unhandled, rest): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.is_unhandled && is_bound(message));
        for message in unhandled {
            let event_type = message.delivery.routing_key.as_str();
            if self.0.insert(event_type.to_owned()) {
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
