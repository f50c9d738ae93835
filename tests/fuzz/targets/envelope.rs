//! Any message: it is an event or it is not, and an event can be sent on as it is.
#![no_main]

use event_bus::{
    TraceContext,
    envelope::{self, CONTENT_TYPE, IncomingEvent, OutgoingEvent},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = envelope::read(Some(CONTENT_TYPE), |_| None, bytes) {
        check(event);
    }
    // In binary mode: lines `name: value`, an empty line, the body.
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    if let Ok(event) = envelope::read(header("content-type").as_deref(), header, body.as_bytes()) {
        check(event);
    }
});

/// What a consumer relies on in an event that was read, however it came.
fn check(event: IncomingEvent) {
    for text in [&event.source, &event.event_type, &event.key] {
        assert!(!text.is_empty() && text.len() <= 255 && !text.contains('\0'), "{text:?}");
    }
    // What is nested deeper than serde_json goes is no payload of anybody.
    let data = serde_json::from_str::<Value>(event.data.get());
    assert!(!data.is_ok_and(|data| has_nul(&data)), "PostgreSQL stores no NUL: {}", event.data);
    let trace = event.trace.traceparent().map(|parent| TraceContext::parse(parent, event.trace.tracestate()));
    assert!(trace.is_none_or(|again| again.as_ref() == Some(&event.trace)), "{:?}", event.trace);
    let outgoing = OutgoingEvent {
        id: event.id,
        source: &event.source,
        service: "fuzz",
        event_type: &event.event_type,
        key: &event.key,
        generation: event.generation,
        version: event.version,
        occurred_at: event.occurred_at,
        trace: &event.trace,
        headers: &[],
        payload: event.data.get(),
    };
    let body = outgoing.to_json().expect("what was read can be written");
    if body.len() > envelope::BODY_LIMIT {
        return;
    }
    let again = envelope::read(Some(CONTENT_TYPE), |_| None, &body).expect("what was written can be read");
    assert_eq!((again.id, again.source), (event.id, event.source));
    assert_eq!((again.generation, again.version), (event.generation, event.version));
    assert_eq!((again.event_type, again.key), (event.event_type, event.key));
    assert_eq!((again.data.get(), again.trace), (event.data.get(), event.trace));
}

fn has_nul(data: &Value) -> bool {
    match data {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}
