//! Ports that services keep when they are started again.

use anyhow::{Context, Result};
use shop::{
    home::{Ports, is_free},
    registry::Name,
};

/// Below the kernel's ephemeral ports, and above the ports of other suites: to those, the port of a service
/// that is down would look free.
const FIRST: u16 = 20_000;
const LAST: u16 = 24_999;

/// How many ports an environment chooses from: services of a parallel environment that are down keep theirs.
const PER_ENVIRONMENT: u16 = 200;

/// Gives each service a free port of this environment.
pub(super) fn choose(ports: &mut Ports, services: &[Name], number: u8) -> Result<()> {
    // Two runs that begin at the same moment rarely choose from the same ports.
    let turn = u16::try_from(std::process::id() % 400)?;
    let first = FIRST + turn * 10 + u16::from(number) * PER_ENVIRONMENT;
    let mut candidates = (first..=LAST).filter(|port| is_free(*port));
    for service in services {
        ports.set(*service, candidates.next().context("no free port for a service")?);
    }
    Ok(())
}
