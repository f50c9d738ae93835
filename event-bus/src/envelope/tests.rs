use serde_json::{Value, json};

use super::*;

fn outgoing<'a>(trace: &'a TraceContext, payload: &'a str) -> OutgoingEvent<'a> {
    OutgoingEvent {
        id: Uuid::now_v7(),
        source: "/catalog",
        service: "catalog",
        event_type: "shop.catalog.product_price_changed.v1",
        key: "7",
        version: 3,
        generation: 1,
        occurred_at: DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap(),
        trace,
        headers: &[],
        payload,
    }
}

fn no_headers(_: &str) -> Option<String> {
    None
}

fn sample() -> Value {
    let trace = TraceContext::default();
    serde_json::from_slice(&outgoing(&trace, "{}").to_json().unwrap()).unwrap()
}

fn read_json(event: &Value) -> Result<IncomingEvent, ReadError> {
    read(Some(CONTENT_TYPE), no_headers, event.to_string().as_bytes())
}

#[test]
fn what_is_written_is_read_back_with_the_payload_untouched() {
    let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None).unwrap();
    let event = outgoing(&trace, r#"{"price":"12.50", "big":12345678901234567890}"#);
    let content_type = Some("Application/CloudEvents+json; charset=utf-8");
    let incoming = read(content_type, no_headers, &event.to_json().unwrap()).unwrap();
    assert_eq!(
        (incoming.id, &*incoming.source, &*incoming.event_type, &*incoming.key, incoming.version),
        (event.id, "/catalog", event.event_type, "7", 3)
    );
    assert_eq!(incoming.occurred_at, event.occurred_at);
    assert_eq!(incoming.trace, trace);
    assert_eq!(incoming.data.get(), event.payload, "digits and spaces as the producer wrote them");
}

#[test]
fn binary_mode_is_read_from_headers_with_every_prefix_in_use() {
    let id = Uuid::now_v7();
    for prefix in ["ce-", "cloudEvents:", "cloudEvents_", ""] {
        let header = |name: &str| {
            Some(match name.strip_prefix(prefix)? {
                "specversion" => "1.0".to_owned(),
                "id" => id.to_string(),
                "source" => "/catalog".to_owned(),
                "type" => "a.b.c.v1".to_owned(),
                "subject" => "7".to_owned(),
                "sequence" => "2".to_owned(),
                _ => return None,
            })
        };
        let incoming = read(Some("application/json"), header, br#"{"a":1}"#).unwrap();
        assert_eq!((incoming.id, incoming.version, incoming.data.get()), (id, 2, r#"{"a":1}"#), "{prefix}");
    }
    assert!(read(None, no_headers, br#"{"a":1}"#).is_err(), "a message without an id is no event");
}

#[test]
fn sequences_order_as_text_like_the_versions_that_they_are() {
    let trace = TraceContext::default();
    let sequence = |version| {
        let event: Value =
            serde_json::from_slice(&OutgoingEvent { version, ..outgoing(&trace, "{}") }.to_json().unwrap())
                .unwrap();
        assert_eq!(read_json(&event).unwrap().version, version);
        event["sequence"].as_str().unwrap().to_owned()
    };
    assert!(sequence(5) < sequence(10) && sequence(10) < sequence(i64::MAX));
    let mut short = sample();
    short["sequence"] = json!("5");
    assert_eq!(read_json(&short).unwrap().version, 5, "without zeros as well");
}

#[test]
fn what_is_not_an_event_is_refused_with_the_attribute_that_is_wrong() {
    assert!(read_json(&sample()).is_ok());
    for (attribute, value) in [
        ("specversion", json!("0.3")),
        ("id", json!("seven")),
        ("id", Value::Null),
        ("source", json!("")),
        ("type", json!("x".repeat(300))),
        ("subject", json!("a\0b")),
        ("sequence", json!("1.5")),
        ("sequence", json!(1)),
        ("time", json!("yesterday")),
        ("data", json!({"name": "a\0b"})),
    ] {
        let mut event = sample();
        event[attribute] = value.clone();
        assert!(read_json(&event).is_err(), "{attribute} = {value}");
    }
    for attribute in ["specversion", "id", "source", "type", "subject", "sequence", "data"] {
        let mut event = sample();
        event.as_object_mut().unwrap().remove(attribute);
        assert!(read_json(&event).is_err(), "without {attribute}");
    }
    for body in [&b""[..], b"{", b"\xff\xfe", b"[]", b"null", &vec![b' '; BODY_LIMIT + 1]] {
        assert!(read(Some(CONTENT_TYPE), no_headers, body).is_err());
    }
}

#[test]
fn what_no_consumer_could_store_is_not_written() {
    let trace = TraceContext::default();
    assert!(matches!(outgoing(&trace, r#"{"name":"a\u0000b"}"#).to_json(), Err(WriteError::Nul)));
    assert!(matches!(outgoing(&trace, "{").to_json(), Err(WriteError::NotJson(_))));
}

#[test]
fn an_escaped_backslash_before_u0000_is_not_a_nul() {
    assert!(has_nul(r#""\u0000""#));
    assert!(has_nul(r#""\\\u0000""#));
    assert!(!has_nul(r#""\\u0000""#));
    assert!(!has_nul(r#""u0000""#));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_reading_panic(body: Vec<u8>, content_type: Option<String>) {
        drop(read(content_type.as_deref(), no_headers, &body));
    }
}
