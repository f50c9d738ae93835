//! More than one of each: how they are asked for, and where they are.

use std::process::Command;

use shop::home::{Home, Plan, Port, Ports, Secrets, create_dir};
use shop::registry::{Counts, Name, Registry};
use shop::servers::Cluster;
use shop::suite::Suite;

const CLUSTER: Counts = Counts { brokers: 3, relays: 3, baskets: 2 };

fn suite(home: &Home) -> Suite {
    let registry = Registry::of_checkout().unwrap();
    let listeners = Port::of_all(&registry, registry.processes(CLUSTER));
    let mut ports = Ports::default();
    ports.assign(&registry, &listeners, 4200).unwrap();
    let secrets = Secrets::create(&registry).unwrap();
    let plan = Plan { counts: CLUSTER, ..Plan::default() };
    Suite { home: home.clone(), registry, plan, ports, secrets }
}

#[test]
fn every_client_of_a_cluster_has_the_addresses_of_all_nodes_and_relays_begin_at_different_ones() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(&Home::at(dir.path()));
    let addresses = |name: Name| -> Vec<u16> {
        let variables = suite.configuration(name).unwrap();
        let list = variables.into_iter().find(|(variable, _)| variable == "APP__BROKER__URL").unwrap().1;
        let port = |url: &str| url.strip_suffix("/shop")?.rsplit_once(':')?.1.parse().ok();
        list.split(',').map(|url| port(url).unwrap()).collect()
    };
    let sorted = |mut ports: Vec<u16>| {
        ports.sort_unstable();
        ports
    };
    let nodes = sorted((1..=3).map(|n| suite.ports.of(Name::Rabbitmq(n)).unwrap()).collect());
    for name in [Name::Relay(1), Name::Relay(3), Name::BASKET, Name::basket(2), Name::ORDERING] {
        assert_eq!(sorted(addresses(name)), nodes, "{name}");
    }
    assert_eq!(sorted((1..=3).map(|n| addresses(Name::Relay(n))[0]).collect()), nodes);

    // Scripts get one address, as ever.
    let env = suite.env_file().unwrap().text();
    let amqp = env.lines().find(|line| line.starts_with("AMQP_URL=")).unwrap();
    assert_eq!(amqp.matches("amqp://").count(), 1, "{amqp}");
}

#[test]
fn a_number_of_brokers_relays_or_baskets_that_cannot_be_is_refused_with_a_sentence() {
    for (option, value, sentence) in [
        ("--brokers", "0", "RabbitMQ has 1 node, or 3 of which one may be away"),
        ("--brokers", "2", "RabbitMQ has 1 node, or 3 of which one may be away"),
        ("--brokers", "8", "RabbitMQ has 1 node, or 3 of which one may be away"),
        ("--brokers", "three", "RabbitMQ has 1 node, or 3 of which one may be away"),
        ("--relays", "0", "0 is not in 1..=10"),
        ("--relays", "11", "11 is not in 1..=10"),
        ("--baskets", "6", "6 is not in 1..=5"),
    ] {
        let refused = Command::new(env!("CARGO_BIN_EXE_shop")).args(["up", option, value]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{option} {value}: {said}");
        assert!(said.contains(sentence), "{option} {value}: {said}");
    }
}

#[test]
fn a_suite_of_a_time_before_clusters_has_one_broker() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    std::fs::write(dir.path().join("suite.json"), r#"{"relays":2,"binaries":{},"servers":"/nowhere"}"#)
        .unwrap();
    let plan = Plan::load(&home).unwrap().unwrap();
    assert_eq!(plan.counts, Counts { brokers: 1, relays: 2, baskets: 1 });
    let plan = Plan { counts: CLUSTER, ..plan };
    plan.save(&home).unwrap();
    assert_eq!(Plan::load(&home).unwrap().unwrap(), plan);
}

#[test]
fn data_of_another_number_of_brokers_is_known_to_be_there() {
    let place = tempfile::tempdir().unwrap();
    assert!(!Cluster::has_data_in(place.path()));
    create_dir(&place.path().join("rabbitmq/data"), 0o700).unwrap();
    assert!(!Cluster::has_data_in(place.path()), "an empty folder is no data");
    create_dir(&place.path().join("rabbitmq/data/shop@localhost"), 0o700).unwrap();
    assert!(Cluster::has_data_in(place.path()));
}
