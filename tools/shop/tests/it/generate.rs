use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shop::generate::{broker_definitions, files, password_hash};
use shop::home::checkout;
use shop::registry::Registry;

#[test]
fn the_generated_files_are_those_in_the_tree() {
    for (path, content) in files(&Registry::of_checkout().unwrap()) {
        let present = std::fs::read_to_string(checkout().join(path)).unwrap();
        assert!(present == content, "{path} is not as services.toml says: run cargo shop generate");
        assert!(!content.contains("{{"), "{path} has a gap");
    }
}

#[test]
fn a_password_is_hashed_as_rabbitmq_documents_it() {
    // The worked example of https://www.rabbitmq.com/docs/passwords: salt 908dc60a, password test12.
    assert_eq!(
        password_hash("test12", [0x90, 0x8D, 0xC6, 0x0A]),
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    );
}

#[test]
fn the_passwords_of_docker_compose_are_those_of_the_definitions() {
    let registry = Registry::of_checkout().unwrap();
    let definitions: Value = serde_json::from_str(&broker_definitions(&registry)).unwrap();
    let users = definitions["users"].as_array().unwrap();
    let [(_, compose), ..] = files(&registry);
    for user in users {
        let (name, expected) = (user["name"].as_str().unwrap(), user["password_hash"].as_str().unwrap());
        let salt = STANDARD.decode(expected).unwrap()[..4].try_into().unwrap();
        assert_eq!(password_hash(&format!("{name}-development"), salt), expected, "{name}");
        let url = format!("amqp://{name}:{name}-development@rabbitmq:5672/shop");
        assert_eq!(compose.contains(&url), name != "admin", "{name}");
    }
    let names: BTreeSet<&str> = users.iter().map(|user| user["name"].as_str().unwrap()).collect();
    let subscribers = registry.subscribers().map(|service| service.name);
    assert_eq!(names, subscribers.chain(["admin", "relay"]).collect(), "a publisher alone has no user");
}

#[test]
fn a_subscriber_may_bind_only_to_events_of_the_services_that_it_follows() {
    let stanza = r#"
        [[service]]
        name = "notifier"
        crate = "notifier"
        port = 5139
        database = "notifier"
        publishes = ["shop.notifier.mail_sent.v1"]
        subscribes = ["shop.catalog.product_added.v1", "shop.notifier.mail_sent.v1"]
        summary = "Mail"
    "#;
    let text = include_str!("../../../../services.toml").to_owned() + stanza;
    let registry = Registry::parse(&text, &|_| true).unwrap();
    let definitions: Value = serde_json::from_str(&broker_definitions(&registry)).unwrap();
    let of = |list: &str| {
        let rights = definitions[list].as_array().unwrap().iter();
        rights.filter(|right| right["user"] == "notifier").cloned().collect::<Vec<_>>()
    };
    let [own] = &of("permissions")[..] else { panic!("one permission") };
    assert_eq!(own["configure"], r"^notifier\.");
    assert_eq!(own["write"], r"^notifier\.");
    assert_eq!(own["read"], r"^(notifier\.|shop\.events$)");
    let [topic] = &of("topic_permissions")[..] else { panic!("one topic permission") };
    assert_eq!(
        (topic["write"].as_str(), topic["read"].as_str()),
        (Some("^$"), Some(r"^shop\.(catalog|notifier)\."))
    );
    let roles: Vec<String> = registry.service("notifier").unwrap().roles();
    assert_eq!(roles, ["notifier_owner", "notifier_app", "notifier_relay", "notifier_inbox_reader"]);
}

#[test]
fn the_relay_declares_nothing_and_every_queue_has_a_policy_against_the_brokers_own_limit() {
    let registry = Registry::of_checkout().unwrap();
    let definitions: Value = serde_json::from_str(&broker_definitions(&registry)).unwrap();
    let permissions = definitions["permissions"].as_array().unwrap();
    let relay = permissions.iter().find(|right| right["user"] == "relay").unwrap();
    assert_eq!((relay["configure"].as_str(), relay["read"].as_str()), (Some("^$"), Some("^$")));
    let policies = definitions["policies"].as_array().unwrap();
    for policy in policies {
        // RabbitMQ 4 has a limit of 20 where none is set, and drops what reaches it.
        let definition = &policy["definition"];
        let limit = definition["delivery-limit"].as_u64().unwrap();
        assert!(limit > 1_000_000_000 || definition["dead-letter-exchange"].is_string(), "{policy}");
    }
    assert!(policies.iter().any(|policy| policy["pattern"] == ".*"), "a queue of any name");
    let dead_lettered =
        policies.iter().filter(|policy| policy["definition"]["dead-letter-exchange"].is_string());
    assert_eq!(dead_lettered.count(), registry.subscribers().count());
}
