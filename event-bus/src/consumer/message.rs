//! A delivery, read as far as possible without the database.

use std::collections::HashMap;

use lapin::{BasicProperties, message::Delivery};

use super::{
    Shared,
    handler::{AnyHandler, Decoded},
};
use crate::{
    envelope::{self, IncomingEvent},
    error::chain,
    inbox::{self, waiting::Original},
    rabbitmq::headers,
    span::Span,
};

/// The handlers of a subscriber, by event type.
pub(crate) type Handlers = HashMap<&'static str, Box<dyn AnyHandler>>;

/// A message and its event, or why it cannot be read.
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    pub(crate) event: Result<IncomingEvent, String>,
    /// Whether it is an event that the queue is bound for and that has no handler any more.
    pub(crate) is_unhandled: bool,
}

impl Message {
    /// Reads a delivery. An unreadable one keeps the reason, for the dead-letter queue.
    pub(crate) fn read(delivery: Delivery, handlers: &Handlers) -> Self {
        let event = read(&delivery, handlers);
        let is_unhandled =
            matches!(&event, Err(Unreadable::NoHandler(kind)) if kind == delivery.routing_key.as_str());
        Self { event: event.map_err(|why| why.to_string()), delivery, is_unhandled }
    }

    /// The delivery, as the inbox needs it; `None` for an unreadable one.
    pub(crate) fn delivery(&self, shared: &Shared) -> Option<inbox::Delivery<'_>> {
        let event = self.event.as_ref().ok()?;
        let order = shared.handlers.get(event.event_type.as_str())?.order();
        let Delivery { properties, exchange, redelivered, .. } = &self.delivery;
        let is_replayed = exchange.as_str() == shared.topology.redirect;
        let had_no_effect = is_replayed && headers::text(properties, headers::WITHOUT_EFFECT).is_some();
        Some(inbox::Delivery { event, redelivered: *redelivered, order, had_no_effect })
    }

    /// Its properties, with the routing key that it was published with; a message that was replayed through the exchange
    /// `redirect` has another now.
    pub(crate) fn properties(&self, redirect: &str) -> BasicProperties {
        let Delivery { exchange, properties, routing_key, .. } = &self.delivery;
        if exchange.as_str() == redirect {
            return properties.clone();
        }
        headers::with_routing_key(properties.clone(), routing_key.as_str())
    }

    /// The message as it came, to be kept while its event waits.
    pub(crate) fn original(&self, shared: &Shared) -> Original {
        let properties = self.properties(&shared.topology.redirect);
        Original { properties: headers::encoded(&properties), body: self.delivery.data.clone() }
    }

    /// The event with its payload, for its handler; `None` for an unreadable one.
    pub(crate) fn decode(&self, handlers: &Handlers, is_newest: bool, step: &Span) -> Option<Decoded> {
        let event = self.event.as_ref().ok()?;
        let handler = handlers.get(event.event_type.as_str())?;
        handler.decode(event, self.delivery.redelivered, is_newest, step.context()).ok()
    }
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("{0}")]
    Wrong(String),
    #[error("no handler for events of type {0:?}")]
    NoHandler(String),
}

fn read(delivery: &Delivery, handlers: &Handlers) -> Result<IncomingEvent, Unreadable> {
    let content_type = delivery.properties.content_type().as_ref().map(lapin::types::ShortString::as_str);
    let event =
        envelope::read(content_type, |name| headers::attribute(&delivery.properties, name), &delivery.data)
            .map_err(|error| Unreadable::Wrong(chain(&error)))?;
    let handler = handlers
        .get(event.event_type.as_str())
        .ok_or_else(|| Unreadable::NoHandler(event.event_type.clone()))?;
    // It is decoded again when it is handled. A message that cannot be decoded must not reach the transaction of
    // others.
    handler.decode(&event, delivery.redelivered, true, None).map_err(|error| {
        Unreadable::Wrong(format!("the data is not that of a {}: {error}", event.event_type))
    })?;
    Ok(event)
}
