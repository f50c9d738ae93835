//! The broker's users, rights, policies, and the exchange for events.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::registry::{Registry, Service};

/// The virtual host that everything is in.
const VHOST: &str = "shop";

/// How often a queue hands out one message before it gives it up. RabbitMQ 4 gives up after 20 times unless told
/// otherwise, and a look at a dead letter is one. Older versions know no number for "never".
const ALWAYS: u32 = 2_000_000_000;

/// How often a subscriber's queue delivers one message before it dead-letters it. This is not the limit of retries:
/// every crash of a consumer and every cut connection counts against all messages that it held. A limit also keeps a
/// returned message at its position in the queue (without one RabbitMQ 3.10 puts it at the end).
const DELIVERY_LIMIT: u32 = 100;

/// How many unroutable events are kept; the oldest are dropped first.
const UNROUTED_LIMIT: u32 = 100_000;

/// The text of `deploy/rabbitmq/definitions.json`. Each user has the password `<name>-development`.
///
/// The relay publishes to `shop.events`, and may declare nothing: a topic permission goes with its exchange in
/// RabbitMQ 4.3, so who declares it anew could publish everything. It writes to queues only to be told how many messages
/// they have; without the right to read an exchange it cannot bind them. A subscriber has its own queues and exchanges,
/// named after it, and binds them to the events of the services whose types it handles.
pub fn broker_definitions(registry: &Registry) -> String {
    // One line for each entry: a difference is then seen where it is.
    let lists = lists(registry).map(|(name, entries)| {
        let entries: Vec<String> = entries.iter().map(|entry| format!("    {entry}")).collect();
        format!("  \"{name}\": [\n{}\n  ]", entries.join(",\n"))
    });
    format!("{{\n{}\n}}\n", lists.join(",\n"))
}

/// The same as values.
pub(super) fn definitions(registry: &Registry) -> Map<String, Value> {
    lists(registry).into_iter().map(|(name, entries)| (name.to_owned(), entries.into())).collect()
}

fn lists(registry: &Registry) -> [(&'static str, Vec<Value>); 8] {
    let mut permissions = vec![permission("admin", ".*", ".*", ".*"), of_the_relay(registry)];
    let mut topics = vec![topic("relay", r"^shop\.", "^$")];
    for service in registry.subscribers() {
        let name = service.name;
        let own = format!(r"^{name}\.");
        permissions.push(permission(name, &own, &own, &format!(r"^({name}\.|shop\.events$)")));
        topics.push(topic(name, "^$", &publishers_of(service)));
    }
    [
        ("users", registry.broker_users().into_iter().map(user).collect()),
        ("vhosts", vec![json!({"name": VHOST})]),
        ("permissions", permissions),
        ("topic_permissions", topics),
        (
            "exchanges",
            vec![
                exchange("shop.unrouted", "fanout", &json!({})),
                exchange("shop.events", "topic", &json!({"alternate-exchange": "shop.unrouted"})),
            ],
        ),
        (
            "queues",
            vec![json!({"vhost": VHOST, "name": "shop.unrouted", "durable": true, "auto_delete": false,
                        "arguments": {"x-queue-type": "quorum"}})],
        ),
        (
            "bindings",
            vec![json!({"vhost": VHOST, "source": "shop.unrouted", "destination": "shop.unrouted",
                        "destination_type": "queue", "routing_key": "", "arguments": {}})],
        ),
        ("policies", policies(registry)),
    ]
}

/// RabbitMQ's `rabbit_password_hashing_sha256`: salt, then SHA-256 of salt and password, in base64.
pub fn password_hash(password: &str, salt: [u8; 4]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password).finalize();
    STANDARD.encode([salt.as_slice(), digest.as_slice()].concat())
}

fn user(name: &str) -> Value {
    // The password is public, and the file must be the same each time: the salt need not be random.
    let digest = Sha256::digest(name);
    let hash = password_hash(&format!("{name}-development"), [digest[0], digest[1], digest[2], digest[3]]);
    let tags = if name == "admin" { json!(["administrator"]) } else { json!([]) };
    let algorithm = "rabbit_password_hashing_sha256";
    json!({"name": name, "password_hash": hash, "hashing_algorithm": algorithm, "tags": tags, "limits": {}})
}

fn permission(user: &str, configure: &str, write: &str, read: &str) -> Value {
    json!({"user": user, "vhost": VHOST, "configure": configure, "write": write, "read": read})
}

fn of_the_relay(registry: &Registry) -> Value {
    let subscribers: Vec<&str> = registry.subscribers().map(|service| service.name).collect();
    let write = match subscribers.join("|") {
        names if names.is_empty() => r"^shop\.(events|unrouted)$".to_owned(),
        names => format!(r"^(shop\.(events|unrouted)|({names})\.events(\.dead)?)$"),
    };
    permission("relay", "^$", &write, "^$")
}

/// What can be changed later, unlike a queue's arguments. One policy applies to a queue: that of the highest priority.
fn policies(registry: &Registry) -> Vec<Value> {
    let unrouted = json!({"delivery-limit": ALWAYS, "max-length": UNROUTED_LIMIT, "overflow": "drop-head"});
    let mut policies = vec![
        policy("queues", ".*", 0, &json!({"delivery-limit": ALWAYS})),
        policy("shop.unrouted", r"^shop\.unrouted$", 1, &unrouted),
    ];
    policies.extend(registry.subscribers().map(|service| {
        let name = service.name;
        // At least once: without the strategy the broker may lose a message on its way to the other queue.
        let definition = json!({"delivery-limit": DELIVERY_LIMIT, "overflow": "reject-publish",
            "dead-letter-exchange": format!("{name}.events.redirect"), "dead-letter-routing-key": "dead",
            "dead-letter-strategy": "at-least-once"});
        policy(&format!("{name}.events"), &format!(r"^{name}\.events$"), 1, &definition)
    }));
    policies
}

fn policy(name: &str, pattern: &str, priority: u32, definition: &Value) -> Value {
    json!({"vhost": VHOST, "name": name, "pattern": pattern, "apply-to": "queues", "priority": priority,
           "definition": definition})
}

fn topic(user: &str, write: &str, read: &str) -> Value {
    json!({"user": user, "vhost": VHOST, "exchange": "shop.events", "write": write, "read": read})
}

fn exchange(name: &str, kind: &str, arguments: &Value) -> Value {
    json!({"vhost": VHOST, "name": name, "type": kind, "durable": true, "auto_delete": false, "internal": false,
           "arguments": arguments})
}

/// The events of the services that publish what this one handles: not only the types themselves, because a binding
/// to a type that it handles no longer must be removed by it too.
fn publishers_of(service: &Service) -> String {
    let publishers: BTreeSet<&str> =
        service.subscribes.iter().filter_map(|event| event.split('.').nth(1)).collect();
    match publishers.into_iter().collect::<Vec<_>>()[..] {
        [publisher] => format!(r"^shop\.{publisher}\."),
        ref several => format!(r"^shop\.({})\.", several.join("|")),
    }
}
