//! The contracts of the events: each type has an example, a schema and its place in the AsyncAPI document, and a release
//! is never broken.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use shop::home::checkout;
use shop::registry::Registry;

use crate::compatible::breaks;

fn contracts() -> PathBuf {
    checkout().join("contracts")
}

fn json(path: &str) -> Value {
    let path = contracts().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The event types that have a file in a folder of the contracts.
fn types_in(folder: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(contracts().join(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("shop."))
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect()
}

fn published() -> BTreeSet<String> {
    let registry = Registry::of_checkout().unwrap();
    registry.services.iter().flat_map(|service| service.publishes.clone()).collect()
}

/// What an event has that its schema does not describe.
fn undescribed(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match schema["properties"].get(name) {
                    Some(schema) => undescribed(field, schema, &format!("{at}.{name}"), found),
                    None => found.push(format!("{at}.{name}")),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                undescribed(item, &schema["items"], &format!("{at}[]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_type_that_is_published_has_an_example_that_is_as_its_schema_says() {
    assert_eq!(types_in(""), published(), "contracts/<type>.json");
    assert_eq!(types_in("schemas"), published(), "contracts/schemas/<type>.json");
    for event in published() {
        let (schema, mut example) = (json(&format!("schemas/{event}.json")), json(&format!("{event}.json")));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{event}");
        let validator = jsonschema::options().should_validate_formats(true).build(&schema);
        let validator = validator.unwrap_or_else(|error| panic!("{event}: {error}"));
        let errors: Vec<String> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{event}: {errors:?}");
        let mut found = Vec::new();
        undescribed(&example, &schema, &event, &mut found);
        assert!(found.is_empty(), "the schema does not name {found:?}");

        // Within a version fields are only added.
        example["addedLater"] = true.into();
        assert!(validator.is_valid(&example), "{event}: a field that was added later is refused");
        for name in schema["required"].as_array().unwrap() {
            let mut without = example.clone();
            without.as_object_mut().unwrap().remove(name.as_str().unwrap());
            assert!(!validator.is_valid(&without), "{event}: not refused without {name}");
        }
    }
}

#[test]
fn asyncapi_names_every_type_its_publisher_and_its_subscribers() {
    let document = json("asyncapi.json");
    let mut expected = BTreeSet::new();
    for service in Registry::of_checkout().unwrap().services {
        expected.extend(service.publishes.into_iter().map(|event| ("send".to_owned(), service.name, event)));
        expected
            .extend(service.subscribes.into_iter().map(|event| ("receive".to_owned(), service.name, event)));
    }
    let operations = document["operations"].as_object().unwrap();
    let named: BTreeSet<(String, &str, String)> = operations
        .values()
        .map(|one| {
            let channel = one["channel"]["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
            let address = document.pointer(channel).unwrap()["address"].as_str().unwrap();
            let action = one["action"].as_str().unwrap();
            (action.to_owned(), one["tags"][0]["name"].as_str().unwrap(), address.to_owned())
        })
        .collect();
    assert_eq!(named, expected);
    let (mut references, mut places) = (vec![&document], 0);
    while let Some(value) = references.pop() {
        match value {
            Value::Object(fields) => references.extend(fields.values()),
            Value::Array(items) => references.extend(items),
            Value::String(text) if text.starts_with("#/") => {
                assert!(document.pointer(&text[1..]).is_some(), "{text}");
                places += 1;
            }
            Value::String(text) if text.starts_with("schemas/") => assert!(contracts().join(text).is_file()),
            _ => {}
        }
    }
    assert!(places > 0);
}

#[test]
fn no_schema_breaks_a_release() {
    let releases = std::fs::read_dir(contracts().join("released")).unwrap();
    let releases: Vec<String> =
        releases.map(|release| release.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!releases.is_empty());
    let mut found = Vec::new();
    for release in releases {
        for event in types_in(&format!("released/{release}")) {
            if !published().contains(&event) {
                found.push(format!("{event} of {release} is published no more"));
                continue;
            }
            let before = json(&format!("released/{release}/{event}.json"));
            let broken = breaks(&before, &json(&format!("schemas/{event}.json")));
            found.extend(broken.into_iter().map(|why| format!("{event} of {release}: {why}")));
        }
    }
    assert!(found.is_empty(), "what is sent would break subscribers: make it a v2 beside the v1\n{found:#?}");
}
