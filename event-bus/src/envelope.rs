//! The message: a CloudEvents 1.0 event.
//!
//! Written in structured mode (the whole event in the body), read in structured and in binary mode
//! (attributes in `ce-…` headers, as the RabbitMQ binding of Knative has it). Beside the attributes of
//! the specification it carries the extensions `partitionkey`, `sequence` (the key's version) and
//! `traceparent`/`tracestate`.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{TraceContext, outbox::log::PendingEvent};

/// The content type of a message in structured mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The largest message body that is read: the largest payload, with room for its envelope.
pub const BODY_LIMIT: usize = crate::outbox::PAYLOAD_LIMIT + 8 * 1024;

/// The longest that an attribute used as an identifier may be, in bytes.
const ATTRIBUTE_LIMIT: usize = 255;

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
    #[serde(flatten)]
    trace: &'a TraceContext,
    data: &'a RawValue,
}

/// Why a row of the log can never become a message.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// A writer that does not use [`append`](crate::outbox::append) put something else there.
    #[error("the payload is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// No consumer could store it.
    #[error("the payload has a NUL character in it")]
    Nul,
}

/// Writes the body of a pending event's message; `source` is the service that announces it, as a URI
/// reference. The payload goes out as the producer wrote it, to the byte.
pub fn write(source: &str, event: &PendingEvent) -> Result<Vec<u8>, Unwritable> {
    let data: &RawValue = serde_json::from_str(&event.payload)?;
    if has_nul(data.get()) {
        return Err(Unwritable::Nul);
    }
    Ok(serde_json::to_vec(&Outgoing {
        specversion: "1.0",
        id: event.event_id,
        source,
        event_type: &event.event_type,
        subject: &event.key,
        time: event.created_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        datacontenttype: "application/json",
        partitionkey: &event.key,
        sequence: event.key_version.to_string(),
        trace: &event.headers,
        data,
    })?)
}

/// An event as it was read from a message, its payload not yet.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The event's id.
    pub id: Uuid,
    /// The service that announced it.
    pub source: String,
    /// The event's type.
    pub event_type: String,
    /// What it is about.
    pub key: String,
    /// The version that the change gave the key.
    pub version: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The trace that caused it.
    pub trace: TraceContext,
    /// The payload's JSON.
    pub data: Box<RawValue>,
}

/// Why a message is not an event. Nobody can handle it, now or later.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The body is over [`BODY_LIMIT`].
    #[error("the body is {0} bytes, the limit is {BODY_LIMIT}")]
    TooLarge(usize),
    /// The body is not the JSON of an event, or an attribute is missing or of the wrong type.
    #[error("the body is not a CloudEvents event: {0}")]
    NotAnEvent(#[from] serde_json::Error),
    /// An attribute has a value that this system cannot follow.
    #[error("the attribute `{attribute}` {problem}")]
    Attribute {
        /// The attribute's name.
        attribute: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A string of the payload has a NUL in it, which PostgreSQL cannot store.
    #[error("the data has a NUL character in it")]
    Nul,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    sequence: Cow<'a, str>,
    #[serde(default)]
    time: Option<DateTime<Utc>>,
    #[serde(borrow, default)]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tracestate: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads a message: in structured mode where its content type says so, else in binary mode, with the
/// attributes taken from `header`.
pub fn read(
    content_type: Option<&str>,
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
) -> Result<Incoming, Malformed> {
    if body.len() > BODY_LIMIT {
        return Err(Malformed::TooLarge(body.len()));
    }
    if content_type.is_some_and(|kind| kind.starts_with("application/cloudevents")) {
        let data = serde_json::from_slice::<Structured<'_>>(body)?.data.to_owned();
        return check(serde_json::from_slice(body)?, data, &header);
    }
    let data = serde_json::from_slice::<Box<RawValue>>(body)?;
    let attribute = |name: &'static str| {
        header(&format!("ce-{name}"))
            .map(Cow::Owned)
            .ok_or(Malformed::Attribute { attribute: name, problem: "is missing" })
    };
    let time = header("ce-time").map(|text| DateTime::parse_from_rfc3339(&text)).transpose();
    let bad_time = |_| Malformed::Attribute { attribute: "time", problem: "is not an RFC 3339 time" };
    let attributes = Attributes {
        specversion: attribute("specversion")?,
        id: attribute("id")?,
        source: attribute("source")?,
        event_type: attribute("type")?,
        subject: attribute("subject")?,
        sequence: attribute("sequence")?,
        time: time.map_err(bad_time)?.map(|time| time.to_utc()),
        traceparent: header("ce-traceparent").map(Cow::Owned),
        tracestate: header("ce-tracestate").map(Cow::Owned),
    };
    check(attributes, data, &header)
}

fn check(
    attributes: Attributes<'_>,
    data: Box<RawValue>,
    header: &impl Fn(&str) -> Option<String>,
) -> Result<Incoming, Malformed> {
    let wrong = |attribute, problem| Malformed::Attribute { attribute, problem };
    if attributes.specversion != "1.0" {
        return Err(wrong("specversion", "is not 1.0"));
    }
    for (name, value) in
        [("source", &attributes.source), ("type", &attributes.event_type), ("subject", &attributes.subject)]
    {
        if value.is_empty() || value.len() > ATTRIBUTE_LIMIT || value.contains('\0') {
            return Err(wrong(name, "must have 1 to 255 bytes and no NUL"));
        }
    }
    let id = Uuid::try_parse(&attributes.id).ok().ok_or_else(|| wrong("id", "is not a UUID"))?;
    let version = attributes
        .sequence
        .parse()
        .ok()
        .ok_or_else(|| wrong("sequence", "is not the number of a version"))?;
    if has_nul(data.get()) {
        return Err(Malformed::Nul);
    }
    // The extension is the trace that caused the event; the header, where a publisher sets no extension,
    // the hop that brought it.
    let parent = attributes.traceparent.map(Cow::into_owned).or_else(|| header("traceparent"));
    let state = attributes.tracestate.map(Cow::into_owned).or_else(|| header("tracestate"));
    let trace = parent.and_then(|parent| TraceContext::parse(&parent, state.as_deref())).unwrap_or_default();
    Ok(Incoming {
        id,
        source: attributes.source.into_owned(),
        event_type: attributes.event_type.into_owned(),
        key: attributes.subject.into_owned(),
        version,
        occurred_at: attributes.time.unwrap_or_else(Utc::now),
        trace,
        data,
    })
}

/// Whether a JSON text has the escape of NUL in a string: `\u0000` after an even number of backslashes.
pub(crate) fn has_nul(json: &str) -> bool {
    json.match_indices(r"\u0000").any(|(at, _)| {
        let before = json.as_bytes().get(..at).unwrap_or_default();
        before.iter().rev().take_while(|&&byte| byte == b'\\').count().is_multiple_of(2)
    })
}

#[cfg(test)]
mod tests;
