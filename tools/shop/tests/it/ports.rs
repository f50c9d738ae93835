use std::net::{Ipv4Addr, TcpListener};

use shop::home::{Home, Ports, Service};

/// Ports far from those that a suite on this machine may be using at this moment.
const OFFSET: u16 = 3000;

fn occupy(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
}

#[test]
fn a_taken_port_is_replaced_by_one_that_ends_in_the_same_digit() {
    let mut ports = Ports::default();
    ports.settle(&[Service::Catalog], OFFSET).unwrap();
    let preferred = ports.of(Service::Catalog).unwrap();
    let _other = occupy(preferred);

    let mut others = Ports::default();
    others.settle(&[Service::Catalog], OFFSET).unwrap();
    let found = others.of(Service::Catalog).unwrap();
    assert!(found > preferred);
    assert_eq!(found % 10, preferred % 10);
}

#[test]
fn a_port_is_kept_over_a_restart_even_if_the_preferred_one_has_become_free() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let mut ports = Ports::default();
    ports.settle(&[Service::Basket], OFFSET).unwrap();
    let other = occupy(ports.of(Service::Basket).unwrap());
    ports.settle(&[Service::Basket], OFFSET).unwrap();
    let moved = ports.of(Service::Basket).unwrap();
    ports.save(&home).unwrap();
    drop(other);

    let mut later = Ports::load(&home).unwrap();
    later.settle(&[Service::Basket], OFFSET).unwrap();
    assert_eq!(later.of(Service::Basket).unwrap(), moved);
}

#[test]
fn no_two_services_get_the_same_port() {
    let mut ports = Ports::default();
    let mut services = vec![Service::Catalog, Service::Basket, Service::Postgres, Service::Amqp];
    services.extend((1..=7).map(Service::Relay));
    services.extend([Service::Management, Service::Distribution, Service::PortMapper]);
    ports.settle(&services, OFFSET + 100).unwrap();
    let mut found: Vec<u16> = services.iter().map(|service| ports.of(*service).unwrap()).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), services.len());
}

#[test]
fn a_service_that_was_never_settled_has_no_port() {
    assert!(Ports::default().of(Service::Catalog).is_err());
}
