//! Writing a message.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::has_nul;
use crate::TraceContext;

#[derive(Serialize)]
struct Outgoing<'a> {
    specversion: &'static str,
    id: Uuid,
    source: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    partitionkey: &'a str,
    sequence: String,
    generation: i64,
    #[serde(flatten)]
    trace: &'a TraceContext,
    data: &'a RawValue,
}

/// An event on its way out.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingEvent<'a> {
    /// The event's id, the same in every message of the event.
    pub id: Uuid,
    /// The service that publishes it, as a URI reference.
    pub source: &'a str,
    /// The name of that service.
    pub service: &'a str,
    /// The event's type, which is also the routing key.
    pub event_type: &'a str,
    /// What it is about.
    pub key: &'a str,
    /// The version that the change gave the key.
    pub version: i64,
    /// The generation of the log that it comes from: 1, and one more after each restore of the log.
    pub generation: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The trace that caused it.
    pub trace: &'a TraceContext,
    /// Further headers of the message.
    pub headers: &'a [(String, String)],
    /// The payload's JSON text.
    pub payload: &'a str,
}

/// Why an event can never become a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A writer that does not use [`append`](crate::outbox::append) stored another text.
    #[error("the payload is not JSON")]
    NotJson(#[from] serde_json::Error),
    /// PostgreSQL could not store it at a consumer.
    #[error("the payload has a NUL character in it")]
    Nul,
}

impl OutgoingEvent<'_> {
    /// Writes the message's body. The payload stays as the producer wrote it, to the byte.
    pub fn to_json(&self) -> Result<Vec<u8>, WriteError> {
        let data: &RawValue = serde_json::from_str(self.payload)?;
        if has_nul(data.get()) {
            return Err(WriteError::Nul);
        }
        Ok(serde_json::to_vec(&Outgoing {
            specversion: "1.0",
            id: self.id,
            source: self.source,
            event_type: self.event_type,
            subject: self.key,
            time: self.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            datacontenttype: "application/json",
            partitionkey: self.key,
            sequence: format!("{:020}", self.version),
            generation: self.generation,
            trace: self.trace,
            data,
        })?)
    }
}
