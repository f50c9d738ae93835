use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};

use shop::home::{Home, Port, Ports};
use shop::registry::{Counts, Name, Registry};

/// Ports far from those that a suite on this machine may be using at this moment.
const OFFSET: u16 = 3000;

fn assign(ports: &mut Ports, listeners: &[Port]) {
    ports.assign(&Registry::of_checkout().unwrap(), listeners, OFFSET).unwrap();
}

fn occupy(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
}

#[test]
fn a_taken_port_is_replaced_by_one_that_ends_in_the_same_two_digits() {
    let mut ports = Ports::default();
    assign(&mut ports, &[Name::CATALOG.into()]);
    let preferred = ports.of(Name::CATALOG).unwrap();
    let _other = occupy(preferred);

    let mut others = Ports::default();
    assign(&mut others, &[Name::CATALOG.into()]);
    let found = others.of(Name::CATALOG).unwrap();
    assert!(found > preferred);
    assert_eq!(found % 100, preferred % 100);
}

#[test]
fn a_port_is_kept_over_a_restart_even_if_the_preferred_one_has_become_free() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let mut ports = Ports::default();
    assign(&mut ports, &[Name::BASKET.into()]);
    let other = occupy(ports.of(Name::BASKET).unwrap());
    assign(&mut ports, &[Name::BASKET.into()]);
    let moved = ports.of(Name::BASKET).unwrap();
    ports.save(&home).unwrap();
    drop(other);

    let mut later = Ports::load(&home).unwrap();
    assign(&mut later, &[Name::BASKET.into()]);
    assert_eq!(later.of(Name::BASKET).unwrap(), moved);
}

#[test]
fn no_two_of_twenty_services_ten_relays_and_three_brokers_get_the_same_port() {
    let mut text = include_str!("../../../../services.toml").to_owned();
    let own = Registry::of_checkout().unwrap().services.len();
    for port in (5120..).take(20 - own) {
        let name = format!("s{port}");
        write!(
            text,
            "[[service]]\nname = \"{name}\"\ncrate = \"{name}\"\nport = {port}\ndatabase = \"{name}\"\nsummary = \"-\"\n"
        )
        .unwrap();
    }
    let registry = Registry::parse(&text, &|_| true).unwrap();
    assert_eq!(registry.services.len(), 20);
    let listeners = Port::of_all(&registry, registry.processes(Counts::MOST));
    let mut ports = Ports::default();
    ports.assign(&registry, &listeners, OFFSET + 100).unwrap();
    let mut found: Vec<u16> = listeners.iter().map(|listener| ports.of(*listener).unwrap()).collect();
    found.sort_unstable();
    found.dedup();
    // PostgreSQL and the port mapper, three nodes with three ports each, services and further baskets, relays, the storefront,
    // the tools.
    assert_eq!(found.len(), 2 + 3 * 3 + 20 + 4 + 10 + 1 + 3);
}

#[test]
fn a_process_that_was_never_started_has_no_port() {
    assert!(Ports::default().of(Name::CATALOG).is_err());
}
