//! Ports that services keep when they are started again.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, Result};

use super::Service;

/// Below the kernel's ephemeral ports, and above the ports of other suites: to those, the port of a service
/// that is down would look free.
const FIRST: u16 = 20_000;
const LAST: u16 = 24_999;

/// How many ports an environment chooses from: services of a parallel environment that are down keep theirs.
const PER_ENVIRONMENT: u16 = 200;

/// A free port for each service.
pub(super) fn choose(all: impl Iterator<Item = Service>, number: u8) -> Result<BTreeMap<Service, u16>> {
    // Two runs that begin at the same moment rarely choose from the same ports.
    let turn = u16::try_from(std::process::id() % 400)?;
    let first = FIRST + turn * 10 + u16::from(number) * PER_ENVIRONMENT;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut candidates = (first..=LAST).filter(is_free);
    all.map(|service| Ok((service, candidates.next().context("no free port for a service")?))).collect()
}
