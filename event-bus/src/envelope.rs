//! The format of messages: CloudEvents 1.0.
//!
//! Events are written in structured mode (the whole event in the body), and read in structured and in binary mode
//! (attributes in headers, with the prefix `ce-`, `cloudEvents:` or `cloudEvents_`, or without one). Beside the
//! attributes of the specification they have the extensions `partitionkey`, `sequence` (the key's version, with
//! leading zeros so that it orders as text), `generation` (of the log, see [`outbox`](crate::outbox)) and
//! `traceparent`/`tracestate`.
//!
//! ```
//! use event_bus::{TraceContext, envelope::{self, OutgoingEvent}};
//!
//! let event = OutgoingEvent {
//!     id: uuid::Uuid::now_v7(),
//!     source: "/library",
//!     service: "library",
//!     event_type: "town.library.book_returned.v1",
//!     key: "Ulysses",
//!     version: 7,
//!     generation: 1,
//!     occurred_at: chrono::Utc::now(),
//!     trace: &TraceContext::default(),
//!     headers: &[],
//!     payload: r#"{"book":"Ulysses"}"#,
//! };
//! let body = event.to_json()?;
//! let incoming = envelope::read(Some(envelope::CONTENT_TYPE), |_header| None, &body)?;
//! assert_eq!((incoming.key.as_str(), incoming.version), ("Ulysses", 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod outgoing;

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

pub use self::outgoing::{OutgoingEvent, WriteError};
use crate::TraceContext;

/// The content type of a message in structured mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The largest payload of an event, in bytes of JSON: 256 KiB.
pub const PAYLOAD_LIMIT: usize = 256 * 1024;

/// The largest message body that is read, in bytes: the largest payload, with room for its envelope.
pub const BODY_LIMIT: usize = PAYLOAD_LIMIT + 8 * 1024;

/// How the names of attributes begin in the headers of a message in binary mode: in Knative's binding for RabbitMQ, in
/// both spellings of the CloudEvents binding for AMQP 1.0, and where a publisher just writes the attributes.
const PREFIXES: [&str; 4] = ["ce-", "cloudEvents:", "cloudEvents_", ""];

/// The years of a time: those of RFC 3339, which PostgreSQL stores too.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// What AMQP has room for in a short string, such as a routing key or the name of a header, in bytes.
const SHORT_STRING_LIMIT: usize = 255;

/// An event as read from a message, with its payload as JSON text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IncomingEvent {
    /// The event's id.
    pub id: Uuid,
    /// The service that published it.
    pub source: String,
    /// The event's type.
    pub event_type: String,
    /// What it is about.
    pub key: String,
    /// The generation of the log that the version counts in. A restored log begins a new one. Absent: 1.
    pub generation: i64,
    /// The version that the change gave the key.
    pub version: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The trace that caused it.
    pub trace: TraceContext,
    /// The payload's JSON.
    pub data: Box<RawValue>,
}

/// Why a message is not an event. It can never be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The body is over [`BODY_LIMIT`].
    #[error("the body is {0} bytes, the limit is {BODY_LIMIT}")]
    TooLarge(usize),
    /// The body is not the JSON of an event, or an attribute is missing or of the wrong type.
    #[error("the body is not a CloudEvents event")]
    NotAnEvent(#[from] serde_json::Error),
    /// An attribute is missing or has an invalid value.
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
    generation: Option<i64>,
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

/// Reads a message: in structured mode if its content type says so, else in binary mode with the attributes from
/// `header`.
pub fn read(
    content_type: Option<&str>,
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
) -> Result<IncomingEvent, ReadError> {
    if body.len() > BODY_LIMIT {
        return Err(ReadError::TooLarge(body.len()));
    }
    if content_type.is_some_and(is_structured) {
        let data = serde_json::from_slice::<Structured<'_>>(body)?.data.to_owned();
        return check(serde_json::from_slice(body)?, data, &header);
    }
    let data = serde_json::from_slice::<Box<RawValue>>(body)?;
    let prefixed = |name: &str| in_header(name, &header);
    let attribute = |name: &'static str| {
        prefixed(name).map(Cow::Owned).ok_or(ReadError::Attribute { attribute: name, problem: "is missing" })
    };
    let time = prefixed("time").map(|text| DateTime::parse_from_rfc3339(&text)).transpose();
    let generation = prefixed("generation").map(|text| text.parse()).transpose();
    let bad_generation =
        |_| ReadError::Attribute { attribute: "generation", problem: "is not the number of a generation" };
    let bad_time = |_| ReadError::Attribute { attribute: "time", problem: "is not an RFC 3339 time" };
    let attributes = Attributes {
        specversion: attribute("specversion")?,
        id: attribute("id")?,
        source: attribute("source")?,
        event_type: attribute("type")?,
        subject: attribute("subject")?,
        sequence: attribute("sequence")?,
        generation: generation.map_err(bad_generation)?,
        time: time.map_err(bad_time)?.map(|time| time.to_utc()),
        traceparent: prefixed("traceparent").map(Cow::Owned),
        tracestate: prefixed("tracestate").map(Cow::Owned),
    };
    check(attributes, data, &header)
}

/// Whether the whole event is in the body.
pub(crate) fn is_structured(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().starts_with("application/cloudevents")
}

/// An attribute in binary mode, whichever prefix the binding of its publisher gives it.
pub(crate) fn in_header(attribute: &str, header: impl Fn(&str) -> Option<String>) -> Option<String> {
    PREFIXES.iter().find_map(|prefix| header(&format!("{prefix}{attribute}")))
}

fn check(
    attributes: Attributes<'_>,
    data: Box<RawValue>,
    header: &impl Fn(&str) -> Option<String>,
) -> Result<IncomingEvent, ReadError> {
    let wrong = |attribute, problem| ReadError::Attribute { attribute, problem };
    if attributes.specversion != "1.0" {
        return Err(wrong("specversion", "is not 1.0"));
    }
    for (name, value) in
        [("source", &attributes.source), ("type", &attributes.event_type), ("subject", &attributes.subject)]
    {
        if !is_short_string(value) {
            return Err(wrong(name, "must have 1 to 255 bytes and no NUL"));
        }
    }
    let id = Uuid::try_parse(&attributes.id).ok().ok_or_else(|| wrong("id", "is not a UUID"))?;
    let version = attributes
        .sequence
        .parse()
        .ok()
        .ok_or_else(|| wrong("sequence", "is not the number of a version"))?;
    if attributes.time.is_some_and(|time| !YEARS.contains(&time.year())) {
        return Err(wrong("time", "is not in the years 1 to 9999"));
    }
    if has_nul(data.get()) {
        return Err(ReadError::Nul);
    }
    // The extension holds the trace that caused the event. A publisher that sets no extension may set the header.
    let parent = attributes.traceparent.map(Cow::into_owned).or_else(|| header("traceparent"));
    let state = attributes.tracestate.map(Cow::into_owned).or_else(|| header("tracestate"));
    let trace = parent.and_then(|parent| TraceContext::parse(&parent, state.as_deref())).unwrap_or_default();
    Ok(IncomingEvent {
        id,
        source: attributes.source.into_owned(),
        event_type: attributes.event_type.into_owned(),
        key: attributes.subject.into_owned(),
        generation: attributes.generation.filter(|_| !crate::without!("generation")).unwrap_or(1),
        version,
        occurred_at: attributes.time.unwrap_or_else(Utc::now),
        trace,
        data,
    })
}

/// Whether a text can be a type, a key or the name of a header: 1 to 255 bytes, and no NUL.
pub(crate) fn is_short_string(text: &str) -> bool {
    (1..=SHORT_STRING_LIMIT).contains(&text.len()) && !text.contains('\0')
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
