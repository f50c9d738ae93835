//! PostgreSQL and RabbitMQ, by their operators.

use serde_json::{Map, Value, json};

use super::super::definitions;
use super::workload::role_secret;
use super::{each, fill};
use crate::registry::{Registry, Service};

/// The cluster, roles, databases, and the Job that grants what the operator does not.
pub(super) fn postgres(registry: &Registry) -> String {
    let roles: Vec<String> = registry.services.iter().flat_map(Service::roles).collect();
    let role = |role: &String| {
        let secret = role_secret(role);
        format!("      - name: {role}\n        login: true\n        passwordSecret: {{ name: {secret} }}\n")
    };
    let database = |service: &Service| {
        let (name, owner) = (&service.database, service.owner());
        format!(
            "---
apiVersion: postgresql.cnpg.io/v1
kind: Database
metadata:
  name: {name}
spec:
  cluster: {{ name: postgres }}
  name: {name}
  owner: {owner}
  encoding: UTF8
  locale: C.UTF-8
  databaseReclaimPolicy: retain
"
        )
    };
    let password = |role: &String| {
        format!(
            "            - name: {}_PASSWORD
              valueFrom: {{ secretKeyRef: {{ name: {}, key: password }} }}
",
            role.to_uppercase(),
            role_secret(role)
        )
    };
    fill(
        include_str!("../templates/kubernetes/postgres.yaml"),
        &[
            ("roles", each(&roles, role)),
            ("databases", each(&registry.services, database)),
            ("passwords", each(&roles, password)),
        ],
    )
}

/// The cluster, and what `definitions.json` has, as resources.
pub(super) fn rabbitmq(registry: &Registry) -> String {
    let definitions = definitions::definitions(registry);
    let of = |list: &str| definitions.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    // The operator has an administrator of its own.
    let is_ours = |entry: &Value, key: &str| entry[key] != "admin";
    let mut resources = String::new();
    for vhost in of("vhosts") {
        let spec = json!({"name": vhost["name"], "defaultQueueType": "quorum"});
        resources.push_str(&resource("Vhost", &text(&vhost["name"]), spec));
    }
    for user in of("users").iter().filter(|user| is_ours(user, "name")) {
        let name = text(&user["name"]);
        let spec = json!({"importCredentialsSecret": {"name": format!("rabbitmq-{name}")}});
        resources.push_str(&resource("User", &name, spec));
    }
    for right in of("permissions").iter().filter(|right| is_ours(right, "user")) {
        let permissions = picked(right, &["configure", "write", "read"]);
        resources.push_str(&resource("Permission", &text(&right["user"]), of_user(right, &permissions)));
    }
    for right in of("topic_permissions") {
        let permissions = picked(&right, &["exchange", "write", "read"]);
        resources.push_str(&resource(
            "TopicPermission",
            &text(&right["user"]),
            of_user(&right, &permissions),
        ));
    }
    for exchange in of("exchanges") {
        let mut spec = picked(&exchange, &["name", "vhost", "type", "durable", "arguments"]);
        spec["autoDelete"] = exchange["auto_delete"].clone();
        resources.push_str(&resource("Exchange", &text(&exchange["name"]), spec));
    }
    for queue in of("queues") {
        let mut spec = picked(&queue, &["name", "vhost", "durable"]);
        spec["autoDelete"] = queue["auto_delete"].clone();
        spec["type"] = queue["arguments"]["x-queue-type"].clone();
        resources.push_str(&resource("Queue", &text(&queue["name"]), spec));
    }
    for binding in of("bindings") {
        let mut spec = picked(&binding, &["vhost", "source", "destination"]);
        spec["destinationType"] = binding["destination_type"].clone();
        spec["routingKey"] = binding["routing_key"].clone();
        resources.push_str(&resource("Binding", &text(&binding["destination"]), spec));
    }
    for policy in of("policies") {
        let mut spec = picked(&policy, &["name", "vhost", "pattern", "priority", "definition"]);
        spec["applyTo"] = policy["apply-to"].clone();
        resources.push_str(&resource("Policy", &text(&policy["name"]), spec));
    }
    fill(include_str!("../templates/kubernetes/rabbitmq.yaml"), &[("topology", resources)])
}

/// A right of a user, who has to be there before it.
fn of_user(right: &Value, permissions: &Value) -> Value {
    json!({"vhost": right["vhost"], "userReference": {"name": right["user"]}, "permissions": permissions})
}

fn picked(entry: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), entry[*key].clone())).collect::<Map<_, _>>().into()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One resource of the topology operator; JSON is YAML.
fn resource(kind: &str, name: &str, mut spec: Value) -> String {
    spec["rabbitmqClusterReference"] = json!({"name": "rabbitmq"});
    let name = name.replace('.', "-");
    let fields = each(spec.as_object().into_iter().flatten(), |(key, value)| format!("  {key}: {value}\n"));
    format!("---\napiVersion: rabbitmq.com/v1beta1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{fields}")
}
