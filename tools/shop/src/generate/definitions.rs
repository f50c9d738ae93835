//! The broker's users, rights and exchanges.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::registry::{Registry, Service};

/// The virtual host that everything is in.
const VHOST: &str = "shop";

/// The text of `deploy/rabbitmq/definitions.json`. Each user has the password `<name>-development`.
///
/// The relay publishes to `shop.events`, and declares that exchange and `shop.unrouted`. A subscriber has its own
/// queues and exchanges, named after it, and binds them to the events of the services whose types it handles.
pub fn broker_definitions(registry: &Registry) -> String {
    let exchanges = r"^shop\.(events|unrouted)$";
    let mut permissions = vec![permission("admin", ".*", ".*"), permission("relay", exchanges, exchanges)];
    let mut topics = vec![topic("relay", r"^shop\.", "^$")];
    for service in registry.subscribers() {
        let name = service.name;
        permissions.push(permission(name, &format!(r"^{name}\."), &format!(r"^({name}\.|shop\.events$)")));
        topics.push(topic(name, "^$", &publishers_of(service)));
    }
    let lists: [(&str, Vec<Value>); 5] = [
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
    ];
    // One line for each entry: a difference is then seen where it is.
    let lists = lists.map(|(name, entries)| {
        let entries: Vec<String> = entries.iter().map(|entry| format!("    {entry}")).collect();
        format!("  \"{name}\": [\n{}\n  ]", entries.join(",\n"))
    });
    format!("{{\n{}\n}}\n", lists.join(",\n"))
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

/// What a user configures, it also writes to.
fn permission(user: &str, own: &str, read: &str) -> Value {
    json!({"user": user, "vhost": VHOST, "configure": own, "write": own, "read": read})
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
