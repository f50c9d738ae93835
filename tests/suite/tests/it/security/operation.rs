//! The operations of a service, from the document that it serves.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use test_kit::Process;

/// One method of one path.
pub(super) struct Operation {
    /// As in `PUT /api/v1/catalog/items/{id}/price`.
    pub(super) name: String,
    /// The scopes that it demands; `None` for a public operation.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) method: Method,
    pub(super) url: String,
    /// What fits its schema, where it takes a body.
    pub(super) body: Option<Value>,
}

/// Every operation of a running service, with `about` deciding what stands for a parameter in a path.
pub(super) async fn operations(service: &Process, about: impl Fn(&str, &str) -> String) -> Vec<Operation> {
    let answer = reqwest::get(format!("{}/openapi.json", service.url)).await.unwrap();
    let document: Value = answer.json().await.unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let filled: String = path
            .split('/')
            .map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(parameter) => about(path, parameter),
                None => part.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("/");
        for (method, operation) in item.as_object().expect("operations") {
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            all.push(Operation {
                name: format!("{method} {path}"),
                scopes: operation["security"].as_array().map(|all| scopes(all)),
                method,
                url: format!("{}{filled}", service.url),
                body: (!body.is_null()).then(|| example(&document, body)),
            });
        }
    }
    all
}

impl Operation {
    /// A request for it that is well-formed.
    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        let request = client.request(self.method.clone(), &self.url);
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// The scopes without which it answers 403.
    pub(super) fn demands(&self) -> &[String] {
        self.scopes.as_deref().unwrap_or_default()
    }
}

fn scopes(requirements: &[Value]) -> Vec<String> {
    assert!(!requirements.is_empty(), "an empty list of requirements means public: leave it out");
    let of_one = |one: &Value| {
        let bearer = one["bearer"].as_array().expect("the scheme bearer, and no other").clone();
        bearer.into_iter().map(|scope| scope.as_str().unwrap().to_owned())
    };
    requirements.iter().flat_map(of_one).collect()
}

/// Something that fits a schema, with no more than it asks for.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let place = reference.strip_prefix('#').expect("a place in this document");
        return example(document, document.pointer(place).expect("a schema"));
    }
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return example.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind {
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let field = |name: &Value| {
                let name = name.as_str().unwrap();
                (name.to_owned(), example(document, &schema["properties"][name]))
            };
            Value::Object(required.iter().map(field).collect())
        }
        "array" => json!([]),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        _ => json!("1.00"),
    }
}
