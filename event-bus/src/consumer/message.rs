//! A delivery, read as far as it can be without the database.

use std::collections::HashMap;

use lapin::{message::Delivery, types::AMQPValue};

use super::handler::{AnyHandler, Decoded};
use crate::envelope::{self, Incoming};

/// The header that counts a message's failures. Our own: `x-death` is not kept the same way by all
/// versions of the broker.
pub(crate) const FAILURES: &str = "x-failures";

/// The handlers of a subscriber, by event type.
pub(crate) type Handlers = HashMap<&'static str, Box<dyn AnyHandler>>;

/// A message and what it says, or why it says nothing.
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    pub(crate) event: Result<Incoming, String>,
    /// How often handling it has failed so far.
    pub(crate) failures: u32,
}

impl Message {
    /// Reads a delivery. What cannot be read keeps its reason, for the dead-letter queue.
    pub(crate) fn read(delivery: Delivery, handlers: &Handlers) -> Self {
        let event = read(&delivery, handlers);
        let failures = match header(&delivery, FAILURES) {
            Some(AMQPValue::LongInt(count)) => u32::try_from(*count).unwrap_or_default(),
            Some(AMQPValue::LongLongInt(count)) => u32::try_from(*count).unwrap_or_default(),
            _ => 0,
        };
        Self { delivery, event, failures }
    }

    /// The event with its payload, for its handler; `None` for what cannot be read.
    pub(crate) fn decode(&self, handlers: &Handlers) -> Option<Decoded> {
        let event = self.event.as_ref().ok()?;
        handlers.get(event.event_type.as_str())?.decode(event, self.delivery.redelivered).ok()
    }
}

fn read(delivery: &Delivery, handlers: &Handlers) -> Result<Incoming, String> {
    let content_type = delivery.properties.content_type().as_ref().map(lapin::types::ShortString::as_str);
    let event = envelope::read(content_type, |name| text_header(delivery, name), &delivery.data)
        .map_err(|malformed| malformed.to_string())?;
    let handler = handlers
        .get(event.event_type.as_str())
        .ok_or_else(|| format!("nobody here handles events of type {:?}", event.event_type))?;
    // Read once more when it is handled: what cannot be read must not reach the transaction of others.
    handler
        .decode(&event, delivery.redelivered)
        .map_err(|error| format!("the data is not that of a {}: {error}", event.event_type))?;
    Ok(event)
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

fn text_header(delivery: &Delivery, name: &str) -> Option<String> {
    match header(delivery, name)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}
