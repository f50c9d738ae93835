//! What a change of an event's schema may do: add optional fields, and say the same in other words.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// What only explains; it may change.
const WORDS: [&str; 6] = ["$schema", "$comment", "title", "description", "examples", "default"];

/// Why messages of one schema cannot be read, or written, by those who know the other; empty if they can.
///
/// Messages that were sent before the change are still under way, and subscribers go on as they are: what was required
/// stays so, nothing more is required, and what was allowed as a value neither shrinks nor grows.
pub(crate) fn breaks(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(before, after, "data", &mut found);
    found
}

fn compare(before: &Value, after: &Value, at: &str, found: &mut Vec<String>) {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        if before != after {
            found.push(format!("{at} was {before}, is {after}"));
        }
        return;
    };
    let required = |schema: &Map<String, Value>| -> BTreeSet<String> {
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (was, is) = (required(before), required(after));
    found.extend(was.difference(&is).map(|name| format!("{at}.{name} may be absent now")));
    found.extend(is.difference(&was).map(|name| format!("{at}.{name} is required now")));

    let none = json!({});
    let fields = |schema: &Map<String, Value>| schema.get("properties").unwrap_or(&none).clone();
    let (was, is) = (fields(before), fields(after));
    for (name, field) in was.as_object().into_iter().flatten() {
        match is.get(name) {
            None => found.push(format!("{at}.{name} is gone")),
            Some(now) => compare(field, now, &format!("{at}.{name}"), found),
        }
    }
    let keywords: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for keyword in keywords {
        let (was, is) = (before.get(keyword), after.get(keyword));
        match (keyword.as_str(), was, is) {
            ("required" | "properties", ..) => {}
            ("items", Some(was), Some(is)) => compare(was, is, &format!("{at}[]"), found),
            (word, ..) if WORDS.contains(&word) => {}
            (_, was, is) if was == is => {}
            (keyword, was, is) => {
                let text = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
                found.push(format!("{at}: {keyword} was {}, is {}", text(was), text(is)));
            }
        }
    }
}

/// A schema with a field that holds a list, before the change.
fn released() -> Value {
    json!({
        "title": "An order was placed", "type": "object",
        "properties": {
            "orderId": {"type": "string", "format": "uuid"},
            "note": {"type": "string"},
            "items": {"type": "array", "items": {
                "type": "object", "properties": {"quantity": {"type": "integer"}}, "required": ["quantity"],
            }},
        },
        "required": ["orderId", "items"],
    })
}

#[test]
fn an_optional_field_and_other_words_break_nothing() {
    let mut after = released();
    after["title"] = json!("Somebody placed an order");
    after["properties"]["basketVersion"] = json!({"type": "integer"});
    after["properties"]["items"]["items"]["properties"]["gift"] = json!({"type": "boolean"});
    after["required"] = json!(["items", "orderId"]);
    assert_eq!(breaks(&released(), &after), Vec::<String>::new());
}

#[test]
fn whatever_breaks_a_subscriber_is_found() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 8] = [
        (|it| drop(it["properties"].as_object_mut().unwrap().remove("note")), "data.note is gone"),
        (
            |it| it["properties"]["orderId"]["type"] = json!("integer"),
            r#"data.orderId: type was "string", is "integer""#,
        ),
        (|it| it["required"] = json!(["orderId"]), "data.items may be absent now"),
        (|it| it["required"] = json!(["orderId", "items", "note"]), "data.note is required now"),
        (|it| it["properties"]["note"]["maxLength"] = json!(9), "data.note: maxLength was absent, is 9"),
        (|it| it["additionalProperties"] = json!(false), "data: additionalProperties was absent, is false"),
        (
            |it| it["properties"]["items"]["items"]["properties"]["quantity"]["type"] = json!("string"),
            r#"data.items[].quantity: type was "integer", is "string""#,
        ),
        (|it| it["properties"]["items"]["items"]["properties"] = json!({}), "data.items[].quantity is gone"),
    ];
    for (change, expected) in cases {
        let mut after = released();
        change(&mut after);
        assert_eq!(breaks(&released(), &after), [expected]);
    }
}
