//! Messages that cannot be handled, of every kind.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

/// The types that the basket is bound for.
pub(super) const TYPES: [&str; 4] = [
    "shop.catalog.product_added.v1",
    "shop.catalog.product_changed.v1",
    "shop.catalog.product_price_changed.v1",
    "shop.catalog.product_removed.v1",
];
const PRICED: &str = TYPES[2];
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// A message to publish: routing key, body, properties.
pub(super) type Message = (String, Vec<u8>, BasicProperties);

/// An event that is as it should be: another price for product 7.
pub(super) fn innocent(id: Uuid, version: usize) -> Message {
    let properties = BasicProperties::default().with_content_type(CLOUD_EVENT.into());
    (PRICED.to_owned(), event(id, version).to_string().into(), properties)
}

/// Any message that is not.
pub(super) fn poison() -> impl Strategy<Value = Message> {
    let body = prop_oneof![
        40 => not_json(),
        40 => cut_off(),
        40 => without_attribute(),
        80 => hostile_attribute(),
        80 => hostile_payload(),
        20 => (100..20_000_usize).prop_map(|depth| {
            let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            event(Uuid::now_v7(), 1).to_string().replace(r#""data":{"#, &format!(r#""data":{nested},"x":{{"#)).into()
        }),
        1 => (280_000..320_000_usize).prop_map(|length| vec![b'x'; length]),
    ];
    let structured =
        (body, proptest::sample::select(&TYPES[..]), odd_headers()).prop_map(|(body, key, headers)| {
            let (key, body, properties) = message(key, body, headers);
            (key, body, properties.with_content_type(CLOUD_EVENT.into()))
        });
    // In binary mode, with attributes that are missing or no texts.
    let binary = (odd_values(), odd_headers()).prop_map(|(values, mut headers)| {
        for (name, value) in ["ce-id", "ce-type", "ce-source", "ce-subject", "ce-sequence"].iter().zip(values)
        {
            headers.insert((*name).into(), value);
        }
        message(PRICED, event(Uuid::now_v7(), 1)["data"].to_string().into(), headers)
    });
    prop_oneof![6 => structured, 1 => binary]
}

fn message(key: &str, body: Vec<u8>, headers: FieldTable) -> Message {
    (key.to_owned(), body, BasicProperties::default().with_headers(headers))
}

fn event(id: Uuid, version: usize) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/catalog", "type": PRICED, "subject": "7",
        "sequence": version.to_string(), "datacontenttype": "application/json",
        "data": {"productId": 7, "name": "Tarn 2 trekking tent", "oldPrice": "12.50", "newPrice": "9.99",
                 "currency": "EUR", "version": version},
    })
}

fn not_json() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![Just(0xFF_u8), Just(0), Just(b'<'), Just(b'\'')];
    (first, proptest::collection::vec(any::<u8>(), 0..2_000))
        .prop_map(|(first, rest)| [&[first], rest.as_slice()].concat())
}

fn cut_off() -> impl Strategy<Value = Vec<u8>> {
    let whole = event(Uuid::now_v7(), 1).to_string();
    (0..whole.len()).prop_map(move |length| whole.as_bytes()[..length].to_vec())
}

fn without_attribute() -> impl Strategy<Value = Vec<u8>> {
    let names = ["specversion", "id", "source", "type", "subject", "sequence", "data"];
    proptest::sample::select(names.to_vec()).prop_map(|name| {
        let mut event = event(Uuid::now_v7(), 1);
        event.as_object_mut().unwrap().remove(name);
        event.to_string().into()
    })
}

/// No text where a text belongs, or one that says nothing.
fn hostile_attribute() -> impl Strategy<Value = Vec<u8>> {
    let of_no_type = ["specversion", "id", "source", "type", "subject", "sequence"];
    let wrong_type = (proptest::sample::select(of_no_type.to_vec()), no_text());
    let long = "x".repeat(256);
    let wrong_text = vec![
        ("specversion", json!("0.3")),
        ("id", json!("seven")),
        ("id", json!("")),
        ("source", json!("")),
        ("source", json!(long)),
        ("type", json!("shop.catalog.product_price_changed.v9")),
        ("type", json!("../../etc/passwd")),
        ("type", json!(long)),
        ("subject", json!("")),
        ("subject", json!("7\0")),
        ("subject", json!("8")),
        ("subject", json!("7' or '1'='1")),
        ("sequence", json!("one")),
        ("sequence", json!("1.5")),
        ("sequence", json!("9223372036854775808")),
        ("sequence", json!("")),
    ];
    prop_oneof![wrong_type, proptest::sample::select(wrong_text)].prop_map(|(name, value)| {
        let mut event = event(Uuid::now_v7(), 1);
        event[name] = value;
        event.to_string().into()
    })
}

/// A payload that is not that of its type.
fn hostile_payload() -> impl Strategy<Value = Vec<u8>> {
    let fields = vec!["productId", "name", "oldPrice", "newPrice", "currency"];
    let wrong_type =
        (proptest::sample::select(fields), no_text().prop_filter("a number", |value| !value.is_number()));
    let wrong_value = vec![
        ("productId", json!(0)),
        ("productId", json!(-7)),
        ("productId", json!(1e300)),
        ("productId", json!("7; drop table cart")),
        ("name", json!("a\0b")),
        ("name", json!("")),
        ("newPrice", json!("-1.00")),
        ("newPrice", json!("0")),
        ("newPrice", json!("NaN")),
        ("newPrice", json!("1e400")),
        ("oldPrice", json!("twelve")),
    ];
    prop_oneof![wrong_type, proptest::sample::select(wrong_value)].prop_map(|(name, value)| {
        let mut event = event(Uuid::now_v7(), 1);
        event["data"][name] = value;
        event.to_string().into()
    })
}

fn no_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({"a": [1, {"b": null}]})),
    ]
}

/// Headers that the consumer itself uses, and the broker, with values that neither expects.
fn odd_headers() -> impl Strategy<Value = FieldTable> {
    let names = vec![
        "x-failures",
        "x-reason",
        "x-consumer",
        "x-failed-at",
        "x-original-routing-key",
        "x-delivery-count",
        "x-first-death-queue",
        "traceparent",
        "ce-id",
        "",
    ];
    let header = (proptest::sample::select(names), odd_value());
    proptest::collection::vec(header, 0..4).prop_map(|headers| {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert(name.into(), value);
        }
        // Copies of itself, into the queue that it comes from.
        if table.contains_key("x-reason") {
            let keys = vec![AMQPValue::LongString("again".into()), AMQPValue::LongString("dead".into())];
            table.insert("CC".into(), AMQPValue::FieldArray(keys.into()));
        }
        table
    })
}

fn odd_values() -> impl Strategy<Value = Vec<AMQPValue>> {
    proptest::collection::vec(odd_value(), 0..5)
}

fn odd_value() -> impl Strategy<Value = AMQPValue> {
    let mut table = FieldTable::default();
    table.insert("x".into(), AMQPValue::LongInt(1));
    prop_oneof![
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        any::<bool>().prop_map(AMQPValue::Boolean),
        Just(AMQPValue::Void),
        Just(AMQPValue::LongString("\0\u{202e}x".into())),
        Just(AMQPValue::LongString("x".repeat(3_000).into())),
        Just(AMQPValue::FieldArray(vec![AMQPValue::Void, AMQPValue::Boolean(true)].into())),
        Just(AMQPValue::FieldTable(table)),
    ]
}
