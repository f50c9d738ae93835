//! Ports that services keep over all their lives.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, Result};

use super::Who;

/// Where they are looked for: below the ports that the kernel gives away by itself, and above those of
/// other suites, to whom the port of a service that is dead just now would look free.
const FIRST: u16 = 20_000;
const LAST: u16 = 24_999;

/// How many a lane has to choose from: services of another lane that are dead just now keep theirs.
const OF_A_LANE: u16 = 200;

/// A free port for each.
pub(super) fn choose(all: impl Iterator<Item = Who>, lane: u8) -> Result<BTreeMap<Who, u16>> {
    // Somewhere in the range, so that two runs that begin at the same moment rarely look at the same ports.
    let turn = u16::try_from(std::process::id() % 400)?;
    let first = FIRST + turn * 10 + u16::from(lane) * OF_A_LANE;
    let mut candidates = (first..=LAST).filter(|port| is_free(*port));
    all.map(|who| Ok((who, candidates.next().context("no free port for a service")?))).collect()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
