//! The headers of a failed message, and the properties that a forwarded message keeps.

use chrono::DateTime;
use lapin::{
    BasicProperties,
    protocol::basic::{gen_properties, parse_properties},
    types::{AMQPValue, FieldTable},
};

/// Why the message was forwarded.
pub(crate) const REASON: &str = "x-reason";

/// How often handling it failed before it was rejected; not in messages of the main queue.
pub(crate) const FAILURES: &str = "x-failures";

/// Which subscriber could not handle it.
pub(crate) const CONSUMER: &str = "x-consumer";

/// When that was.
pub(crate) const FAILED_AT: &str = "x-failed-at";

/// The routing key that it was published with.
pub(crate) const ROUTING_KEY: &str = "x-original-routing-key";

/// In a replayed message: the subscriber that had dead-lettered it, and so has not had its effect.
pub(crate) const WITHOUT_EFFECT: &str = "x-without-effect";

/// How often the broker has delivered it before, where it counts that.
pub(crate) const DELIVERY_COUNT: &str = "x-delivery-count";

/// How often RabbitMQ 4 has handed it out, whatever came of it.
const ACQUIRED: &str = "x-acquired-";

/// The headers of an earlier failure. A replayed message must not have them.
const OF_A_FAILURE: [&str; 6] = [REASON, FAILURES, CONSUMER, FAILED_AT, WITHOUT_EFFECT, DELIVERY_COUNT];

/// Further routing keys, which the broker follows for every publisher. A forwarded message must not have them: it
/// would be copied again, even into the queue that it comes from.
const COPIES: [&str; 2] = ["CC", "BCC"];

/// The headers without further routing keys.
pub(crate) fn without_copies(properties: &BasicProperties) -> FieldTable {
    let mut kept = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        if !COPIES.contains(&name.as_str()) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept
}

/// The headers without further routing keys and the broker's counts: what the message itself brought.
pub(crate) fn without_counts(properties: &BasicProperties) -> FieldTable {
    let mut kept = FieldTable::default();
    for (name, value) in without_copies(properties).inner() {
        if !is_a_count(name.as_str()) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept
}

/// The properties with the routing key that the message was published with, unless they say it already.
pub(crate) fn with_routing_key(properties: BasicProperties, routing_key: &str) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    if !headers.contains_key(ROUTING_KEY) {
        headers.insert(ROUTING_KEY.into(), AMQPValue::LongString(routing_key.into()));
    }
    properties.with_headers(headers)
}

/// Properties as AMQP encodes them.
pub(crate) fn encoded(properties: &BasicProperties) -> Vec<u8> {
    let encoded = gen_properties::<Vec<u8>>(properties)(Vec::new().into());
    encoded.map(|written| written.write).unwrap_or_default()
}

/// What [`encoded`] has written.
pub(crate) fn decoded(properties: &[u8]) -> Option<BasicProperties> {
    parse_properties(properties).ok().map(|(_, properties)| properties)
}

/// A header that is a text.
pub(crate) fn text(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// An attribute of an event in binary mode. A publisher may write whole numbers and times with AMQP's own types.
pub(crate) fn attribute(properties: &BasicProperties, name: &str) -> Option<String> {
    use AMQPValue as V;
    match properties.headers().as_ref()?.inner().get(name)? {
        V::ShortShortInt(number) => Some(number.to_string()),
        V::ShortShortUInt(number) => Some(number.to_string()),
        V::ShortInt(number) => Some(number.to_string()),
        V::ShortUInt(number) => Some(number.to_string()),
        V::LongInt(number) => Some(number.to_string()),
        V::LongUInt(number) => Some(number.to_string()),
        V::LongLongInt(number) => Some(number.to_string()),
        V::Timestamp(seconds) => {
            Some(DateTime::from_timestamp(i64::try_from(*seconds).ok()?, 0)?.to_rfc3339())
        }
        _ => text(properties, name),
    }
}

/// A header that is a number or a time, and not negative.
pub(crate) fn number(properties: &BasicProperties, name: &str) -> Option<u64> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongUInt(number) => Some(u64::from(*number)),
        AMQPValue::Timestamp(seconds) => Some(*seconds),
        _ => None,
    }
}

/// The headers without those of a failure, ours and the broker's.
pub(crate) fn without_failure(properties: &BasicProperties) -> FieldTable {
    let mut kept = FieldTable::default();
    for (name, value) in without_copies(properties).inner() {
        if !is_of_a_failure(name.as_str()) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept
}

/// Whether the broker counts deliveries in it.
fn is_a_count(name: &str) -> bool {
    name == DELIVERY_COUNT || name.starts_with(ACQUIRED)
}

fn is_of_a_failure(name: &str) -> bool {
    let of_the_broker = ["x-death", "x-first-death-", "x-last-death-"];
    let is_of_the_broker = of_the_broker.iter().any(|prefix| name.starts_with(prefix));
    OF_A_FAILURE.contains(&name) || is_of_the_broker || is_a_count(name)
}

/// Why a writer's header does not go along with its event: `copies` where the broker would follow it, `failure` where it
/// would tell of one. `None`: it goes along.
pub fn left_out(name: &str) -> Option<&'static str> {
    if COPIES.contains(&name) {
        return Some("copies");
    }
    (name == ROUTING_KEY || is_of_a_failure(name)).then_some("failure")
}

/// The properties that another user may forward: not the expiration, which would count again in the next queue, and
/// not the user id, which the broker checks.
pub(crate) fn carried(properties: &BasicProperties) -> BasicProperties {
    let mut kept = BasicProperties::default();
    if properties.headers().is_some() {
        kept = kept.with_headers(without_copies(properties));
    }
    macro_rules! carry {
        ($($property:ident as $with:ident),+ $(,)?) => {$(
            if let Some(value) = properties.$property() {
                kept = kept.$with(value.clone());
            }
        )+};
    }
    carry!(
        content_type as with_content_type,
        content_encoding as with_content_encoding,
        priority as with_priority,
        correlation_id as with_correlation_id,
        reply_to as with_reply_to,
        message_id as with_message_id,
        kind as with_type,
        timestamp as with_timestamp,
        app_id as with_app_id,
    );
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_may_have_types_of_amqp() {
        let mut headers = FieldTable::default();
        headers.insert("ce-generation".into(), AMQPValue::LongInt(2));
        headers.insert("ce-sequence".into(), AMQPValue::LongLongInt(-7));
        headers.insert("ce-time".into(), AMQPValue::Timestamp(1_764_000_000));
        headers.insert("ce-id".into(), AMQPValue::LongString("x".into()));
        headers.insert("ce-flag".into(), AMQPValue::Boolean(true));
        let properties = BasicProperties::default().with_headers(headers);
        let read = |name| attribute(&properties, name);
        assert_eq!(read("ce-generation").as_deref(), Some("2"));
        assert_eq!(read("ce-sequence").as_deref(), Some("-7"));
        assert_eq!(read("ce-time").as_deref(), Some("2025-11-24T16:00:00+00:00"));
        assert_eq!((read("ce-id").as_deref(), read("ce-flag"), read("ce-none")), (Some("x"), None, None));
    }

    #[test]
    fn what_the_broker_follows_or_a_failure_left_does_not_go_along() {
        let names =
            ["CC", "BCC", "x-death", "x-first-death-queue", "x-last-death-reason", "x-acquired-count"];
        for name in names.into_iter().chain(OF_A_FAILURE).chain([ROUTING_KEY]) {
            assert!(left_out(name).is_some(), "{name}");
        }
        assert!(left_out("tenant").is_none() && left_out("x-tenant").is_none());
    }
}
