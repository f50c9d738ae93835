//! Events for the handlers.

use chrono::{DateTime, Utc};
use event_bus::{TraceContext, relay::OutgoingEvent};
use uuid::Uuid;

use super::RAISED;

/// An event for the handler.
pub(crate) struct Sent {
    pub(crate) id: Uuid,
    pub(crate) source: &'static str,
    pub(crate) event_type: &'static str,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) key: String,
    pub(crate) version: i64,
    pub(crate) payload: String,
    pub(crate) trace: TraceContext,
}

impl Sent {
    pub(crate) fn outgoing(&self) -> OutgoingEvent<'_> {
        OutgoingEvent {
            id: self.id,
            source: self.source,
            service: "test",
            event_type: self.event_type,
            key: &self.key,
            version: self.version,
            generation: 1,
            occurred_at: self.occurred_at,
            trace: &self.trace,
            headers: &[],
            payload: &self.payload,
        }
    }
}

/// An event about `key`, with a wish for the handler.
pub(crate) fn raised(key: &str, version: i64, wish: &str) -> Sent {
    Sent {
        id: Uuid::now_v7(),
        source: "/test",
        event_type: RAISED,
        occurred_at: Utc::now(),
        key: key.to_owned(),
        version,
        payload: serde_json::json!({"value": version, "wish": wish}).to_string(),
        trace: TraceContext::default(),
    }
}
