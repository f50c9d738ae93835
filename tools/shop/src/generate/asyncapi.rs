//! The AsyncAPI document of the events: which service sends and receives what, and where.

use serde_json::{Map, Value, json};

use crate::registry::{Registry, Service};

/// The version of AsyncAPI's binding to AMQP 0-9-1.
const BINDING: &str = "0.3.0";

/// The text of `contracts/asyncapi.json`.
///
/// A type is a channel: its address is the routing key. A service has an operation for each type that it publishes or
/// subscribes to. What is in `data` stands in `contracts/schemas/<type>.json`.
pub(super) fn asyncapi(registry: &Registry) -> String {
    let types = || registry.services.iter().flat_map(|service| &service.publishes);
    let sent = registry.services.iter().flat_map(|service| {
        service.publishes.iter().map(|event| (format!("{}.send.{event}", service.name), send(service, event)))
    });
    let received = registry.services.iter().flat_map(|service| {
        let name = service.name;
        service
            .subscribes
            .iter()
            .map(move |event| (format!("{name}.receive.{event}"), receive(service, event)))
    });
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events of the shop",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Generated from services.toml by `cargo shop generate`. docs/events.md says the rest.",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "broker": {"host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0.9.1", "pathname": "/shop"},
        },
        "channels": types().map(|event| (event.clone(), channel(event))).collect::<Map<_, _>>(),
        "operations": sent.chain(received).collect::<Map<_, _>>(),
        "components": {
            "messages": types().map(|event| (event.clone(), message(event))).collect::<Map<_, _>>(),
            "schemas": {"CloudEvent": cloud_event()},
        },
    });
    format!("{document:#}\n")
}

fn channel(event: &str) -> Value {
    let exchange = json!({"name": "shop.events", "type": "topic", "durable": true, "autoDelete": false, "vhost": "shop"});
    json!({
        "address": event,
        "messages": {event: {"$ref": format!("#/components/messages/{event}")}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": BINDING}},
    })
}

fn message(event: &str) -> Value {
    let publisher = event.split('.').nth(1).unwrap_or_default();
    json!({
        "name": event,
        "contentType": "application/cloudevents+json",
        "payload": {"allOf": [
            {"$ref": "#/components/schemas/CloudEvent"},
            {"type": "object", "properties": {
                "type": {"const": event},
                "source": {"const": format!("/{publisher}")},
                "data": {"$ref": format!("schemas/{event}.json")},
            }},
        ]},
        "bindings": {"amqp": {"messageType": event, "bindingVersion": BINDING}},
    })
}

fn send(service: &Service, event: &str) -> Value {
    let summary = format!("{} publishes it with its outbox", service.program.binary);
    // 2: persistent.
    operation(service, event, "send", &summary, &json!({"deliveryMode": 2, "mandatory": true}))
}

fn receive(service: &Service, event: &str) -> Value {
    let summary = format!("{} handles it, from its queue {}.events", service.program.binary, service.name);
    operation(service, event, "receive", &summary, &json!({"ack": true}))
}

fn operation(service: &Service, event: &str, action: &str, summary: &str, binding: &Value) -> Value {
    let mut binding = binding.clone();
    binding["bindingVersion"] = json!(BINDING);
    json!({
        "action": action,
        "summary": summary,
        "channel": {"$ref": format!("#/channels/{event}")},
        "messages": [{"$ref": format!("#/channels/{event}/messages/{event}")}],
        "tags": [{"name": service.name}],
        "bindings": {"amqp": binding},
    })
}

/// What every message has around its `data`.
fn cloud_event() -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    json!({
        "title": "A CloudEvents 1.0 event in structured mode",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": text(),
            "type": text(),
            "subject": text(),
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "partitionkey": text(),
            "sequence": {"type": "string", "pattern": "^[0-9]+$"},
            "generation": {"type": "integer", "minimum": 1},
            "traceparent": text(),
            "tracestate": text(),
            "data": {},
        },
        "required": ["specversion", "id", "source", "type", "subject", "time", "partitionkey", "sequence", "data"],
    })
}
