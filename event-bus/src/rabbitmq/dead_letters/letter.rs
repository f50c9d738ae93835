//! A dead letter, as operators see it.

use chrono::{DateTime, Utc};
use lapin::{BasicProperties, message::Delivery, types::ShortString};
use uuid::Uuid;

use crate::{envelope, rabbitmq::headers};

/// How much of a body is listed, in bytes.
const BODY_LIMIT: usize = 4 * 1024;

/// A message that a subscriber could not handle.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its id here: its message id or, where it has none, a hash of its body and headers.
    pub id: String,
    /// The event's id, where it has one.
    pub event_id: Option<Uuid>,
    /// The type that it came with; it may be unknown.
    pub event_type: Option<String>,
    /// What it is about, where it says so.
    pub key: Option<String>,
    /// Why it was dead-lettered.
    pub reason: String,
    /// How often handling it failed, while it waited, before it was rejected.
    pub failures: u64,
    /// When it was dead-lettered; unknown where the broker did that.
    pub failed_at: Option<DateTime<Utc>>,
    /// The content type that it came with.
    pub content_type: Option<String>,
    /// The beginning of its body, as text.
    pub body: String,
    /// The size of its whole body, in bytes.
    pub body_bytes: usize,
}

pub(super) fn event_id(properties: &BasicProperties) -> Option<Uuid> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

/// The type and the key of a CloudEvents event: in its body, or in headers where the body is the payload alone. Where the
/// content type does not say which, headers come first.
fn type_and_key(delivery: &Delivery) -> (Option<String>, Option<String>) {
    let content_type = delivery.properties.content_type().as_ref().map(ShortString::as_str);
    let in_header = |name: &str| envelope::in_header(name, |name| headers::text(&delivery.properties, name));
    let event: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&delivery.data).unwrap_or_default();
    let in_body = |name: &str| event.get(name)?.as_str().map(str::to_owned);
    let attribute = |name: &str| {
        let text = match content_type {
            Some(content_type) if envelope::is_structured(content_type) => in_body(name),
            Some(_) => in_header(name),
            None => in_header(name).or_else(|| in_body(name)),
        };
        text.filter(|text| envelope::is_short_string(text))
    };
    (attribute("type"), attribute("subject").or_else(|| attribute("partitionkey")))
}

/// What names a message: its message id or, where that is none, a hash of what it is. An id that is empty or dots alone
/// would be no part of an address.
fn id(delivery: &Delivery) -> String {
    let message_id = delivery.properties.message_id().as_ref().map(ShortString::as_str).unwrap_or_default();
    if message_id.chars().any(|char| char != '.') {
        return message_id.to_owned();
    }
    let own = headers::without_counts(&delivery.properties);
    format!("body-{:016x}", fnv1a(&[delivery.data.as_slice(), format!("{own:?}").as_bytes()].concat()))
}

impl DeadLetter {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let given_up = || {
            let why = headers::text(properties, "x-first-death-reason");
            format!("the broker gave it up: {}", why.as_deref().unwrap_or("it does not say why"))
        };
        let failed_at = headers::number(properties, headers::FAILED_AT);
        let shown = delivery.data.get(..BODY_LIMIT).unwrap_or(&delivery.data);
        let routing_key = || headers::text(properties, headers::ROUTING_KEY);
        let (own_type, key) = type_and_key(delivery);
        let event_type = properties.kind().as_ref().map(ToString::to_string);
        Self {
            id: id(delivery),
            event_id: event_id(properties),
            event_type: event_type.or_else(routing_key).or(own_type),
            key,
            reason: headers::text(properties, headers::REASON).unwrap_or_else(given_up),
            failures: headers::number(properties, headers::FAILURES).unwrap_or_default(),
            failed_at: failed_at.and_then(|at| DateTime::from_timestamp(i64::try_from(at).ok()?, 0)),
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            body: String::from_utf8_lossy(shown).into_owned(),
            body_bytes: delivery.data.len(),
        }
    }
}

/// 64-bit FNV-1a.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
