use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shop::generate::{broker_definitions, files, password_hash};
use shop::home::checkout;
use shop::registry::Registry;

#[test]
fn the_generated_files_are_those_in_the_tree() {
    for (path, content) in files(&Registry::of_checkout().unwrap()).unwrap() {
        let present = std::fs::read_to_string(checkout().join(&path)).unwrap();
        assert!(present == content, "{path} is not as services.toml says: run cargo shop generate");
        let is_gap = |rest: &str| rest.starts_with(|first: char| first.is_ascii_lowercase());
        assert!(!content.split("{{").skip(1).any(is_gap), "{path} has a gap");
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
    let (_, compose) = files(&registry).unwrap().remove(0);
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
        name = "courier"
        crate = "courier"
        port = 5139
        database = "courier"
        publishes = ["shop.courier.mail_sent.v1"]
        subscribes = ["shop.catalog.product_added.v1", "shop.courier.mail_sent.v1"]
        summary = "Mail"
    "#;
    let text = include_str!("../../../../services.toml").to_owned() + stanza;
    let registry = Registry::parse(&text, &|_| true).unwrap();
    let definitions: Value = serde_json::from_str(&broker_definitions(&registry)).unwrap();
    let of = |list: &str| {
        let rights = definitions[list].as_array().unwrap().iter();
        rights.filter(|right| right["user"] == "courier").cloned().collect::<Vec<_>>()
    };
    let [own] = &of("permissions")[..] else { panic!("one permission") };
    assert_eq!(own["configure"], r"^courier\.");
    assert_eq!(own["write"], r"^courier\.");
    assert_eq!(own["read"], r"^(courier\.|shop\.events$)");
    let [topic] = &of("topic_permissions")[..] else { panic!("one topic permission") };
    assert_eq!(
        (topic["write"].as_str(), topic["read"].as_str()),
        (Some("^$"), Some(r"^shop\.(catalog|courier)\."))
    );
    let roles: Vec<String> = registry.service("courier").unwrap().roles();
    assert_eq!(roles, ["courier_owner", "courier_app", "courier_relay", "courier_inbox_reader"]);
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

#[test]
fn every_temporary_folder_of_docker_compose_is_a_path_with_its_options() {
    let (_, compose) = files(&Registry::of_checkout().unwrap()).unwrap().remove(0);
    let compose: Value = serde_saphyr::from_str(&compose).unwrap();
    let mut checked = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        // A comma in a list without quotation marks begins another entry.
        for folder in service["tmpfs"].as_array().unwrap() {
            assert!(folder.as_str().unwrap().starts_with('/'), "{name}: {folder}");
            checked += 1;
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let is_declared = compose["volumes"].as_object().unwrap().contains_key(source);
            assert!(is_declared || checkout().join(source).exists(), "{name}: {source}");
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn the_licence_on_the_images_is_that_of_the_repository() {
    let dockerfile = std::fs::read_to_string(checkout().join("deploy/Dockerfile")).unwrap();
    let manifest = std::fs::read_to_string(checkout().join("Cargo.toml")).unwrap();
    let text = std::fs::read_to_string(checkout().join("LICENSE")).unwrap();
    assert!(manifest.contains("license = \"MIT\""));
    assert!(dockerfile.contains("org.opencontainers.image.licenses=\"MIT\""));
    assert!(text.starts_with("MIT License"));
}

#[test]
fn every_page_that_the_code_contains_goes_into_the_build_of_the_images() {
    let root = checkout().canonicalize().unwrap();
    let ignored = std::fs::read_to_string(root.join(".dockerignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "**/*.md"), "{ignored}");
    let mut folders = vec![root.clone()];
    let mut checked = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "target" && name != "tests" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let files = text.split("include_str!(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
                let files = files.map(|file| folder.join(file));
                for page in files.filter(|file| file.extension().is_some_and(|end| end == "md")) {
                    let page = page.canonicalize().unwrap();
                    let exception = format!("!{}", page.strip_prefix(&root).unwrap().display());
                    assert!(ignored.lines().any(|line| line == exception), "{}: {exception}", path.display());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 0, "event-bus has one");
}
