//! `overlays/production` has as many of each as it needs, and PostgreSQL takes them all.

use std::collections::BTreeSet;

use serde_json::Value;
use shop::registry::{Registry, Service};

use crate::kubernetes::{folder, list, name, objects};

/// The only object of a file.
fn object(path: &str) -> Value {
    objects(&folder().join(path)).remove(0)
}

fn scaled() -> Vec<Value> {
    objects(&folder().join("components/autoscaling/scaling.yaml"))
}

#[test]
fn only_a_deployment_that_is_scaled_has_no_number_of_its_own() {
    let autoscaling = object("components/autoscaling/kustomization.yaml");
    let unset: BTreeSet<&str> =
        list(&autoscaling["patches"]).iter().map(|patch| patch["target"]["name"].as_str().unwrap()).collect();
    let scaled = scaled();
    assert_eq!(unset, scaled.iter().map(name).collect());
}

/// What a process of the service takes beside its connections for requests: its subscriber, its streams or worker.
fn beside_requests(service: &Service) -> u64 {
    3 + match service.name {
        "basket" | "ordering" | "payment" => 4,
        "notifier" => 2,
        _ => 0,
    }
}

#[test]
fn postgresql_takes_the_connections_of_all_programs_at_the_most_while_they_are_replaced() {
    let registry = Registry::of_checkout().unwrap();
    let base = object("base/kustomization.yaml");
    let services = list(&base["configMapGenerator"]).iter().find(|map| map["name"] == "services").unwrap();
    let literal = services["literals"][0].as_str().unwrap();
    let requests: u64 = literal.strip_prefix("APP__DATABASE__MAX_CONNECTIONS=").unwrap().parse().unwrap();
    let relay = 7 * registry.publishers().count() + 2 * registry.subscribers().count();
    let relay = u64::try_from(relay).unwrap();
    let of = |program: &str| {
        let service = registry.services.iter().find(|service| service.program.binary == program);
        service.map_or(relay, |service| requests + beside_requests(service))
    };

    // One of each, and one more while it is replaced.
    let programs = registry.services.iter().map(|service| service.program.binary.as_str());
    let one_node: u64 = programs.chain([registry.relay.binary.as_str()]).map(|program| 2 * of(program)).sum();
    let cluster = object("base/postgres.yaml");
    let limit = &cluster["spec"]["postgresql"]["parameters"]["max_connections"];
    assert!(one_node + 20 < limit.as_str().unwrap().parse().unwrap(), "{one_node} of {limit}");

    let scaled = scaled();
    let most = |object: &Value| (object["spec"]["maxReplicaCount"].as_u64().unwrap() + 1) * of(name(object));
    let production: u64 = scaled.iter().map(most).sum();
    let overlay = object("overlays/production/kustomization.yaml");
    let patches: Vec<Value> = list(&overlay["patches"])
        .iter()
        .flat_map(|patch| serde_saphyr::from_str::<Vec<Value>>(patch["patch"].as_str().unwrap()).unwrap())
        .collect();
    let limit = patches.iter().find(|patch| patch["path"] == "/spec/postgresql/parameters/max_connections");
    let limit = &limit.unwrap()["value"];
    assert!(production + 20 < limit.as_str().unwrap().parse().unwrap(), "{production} of {limit}");
}
