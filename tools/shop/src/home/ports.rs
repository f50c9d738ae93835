//! Which loopback ports this checkout uses.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{Home, write_private};
use crate::registry::{Name, Registry};

/// Something that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// A process: HTTP, PostgreSQL's protocol, or AMQP.
    Process(Name),
    /// RabbitMQ's management interface, HTTP.
    Management,
    /// RabbitMQ's Erlang distribution, for its own command line tools.
    Distribution,
    /// Erlang's port mapper, which RabbitMQ needs.
    PortMapper,
}

impl Port {
    /// The ports of RabbitMQ beside AMQP.
    pub const OF_RABBITMQ: [Self; 3] = [Self::Management, Self::Distribution, Self::PortMapper];
}

impl From<Name> for Port {
    fn from(name: Name) -> Self {
        Self::Process(name)
    }
}

/// The key in the file.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(Name::Rabbitmq) => f.write_str("amqp"),
            Self::Process(Name::Relay(n)) => write!(f, "relay-{n}"),
            Self::Process(name) => name.fmt(f),
            Self::Management => f.write_str("management"),
            Self::Distribution => f.write_str("distribution"),
            Self::PortMapper => f.write_str("port-mapper"),
        }
    }
}

/// A taken port is tried again so much higher: the last two digits go on saying what it is.
const STEP: u16 = 100;

/// How many ports are tried before giving up.
const TRIES: u16 = 90;

/// The ports in use, by listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// Reads what was assigned the last time; nothing, if nothing was.
    pub fn load(home: &Home) -> Result<Self> {
        let path = path(home);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Self)
                .with_context(|| format!("{} is damaged: cargo shop reset clears it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes them down for the next time.
    pub fn save(&self, home: &Home) -> Result<()> {
        write_private(&path(home), &serde_json::to_vec_pretty(&self.0)?)
    }

    /// Gives each of these listeners a free port: the one it had, the one it prefers, or the next free one.
    ///
    /// `offset` is added to what is preferred; a test run stays out of the way of a running suite by it.
    pub fn assign(&mut self, registry: &Registry, listeners: &[Port], offset: u16) -> Result<()> {
        for &listener in listeners {
            let key = listener.to_string();
            let taken: Vec<u16> =
                self.0.iter().filter(|(other, _)| **other != key).map(|(_, port)| *port).collect();
            let preferred = preferred(registry, listener)? + offset;
            let candidates = self.0.get(&key).copied().into_iter();
            let candidates = candidates.chain((0..TRIES).map(|turn| preferred + turn * STEP));
            match candidates.into_iter().find(|port| !taken.contains(port) && is_free(*port)) {
                Some(port) => self.0.insert(key, port),
                None => {
                    bail!("no free port for {key}: tried {preferred} and {TRIES} more, {STEP} apart")
                }
            };
        }
        Ok(())
    }

    /// The port of one listener; fails if none was assigned.
    pub fn of(&self, listener: impl Into<Port>) -> Result<u16> {
        let key = listener.into().to_string();
        self.0.get(&key).copied().with_context(|| format!("{key} has no port yet: cargo shop up assigns it"))
    }
}

fn path(home: &Home) -> PathBuf {
    home.dir().join("ports.json")
}

/// The port that a listener has where nothing else has it.
fn preferred(registry: &Registry, listener: Port) -> Result<u16> {
    Ok(match listener {
        Port::Process(Name::Service(name)) => registry.service(name)?.program.port,
        Port::Process(Name::Relay(n)) => registry.relay.port + u16::from(n.saturating_sub(1)),
        Port::Process(Name::Storefront) => registry.storefront.port,
        Port::Process(Name::Sandbox) => registry.program(Name::Sandbox).context("there is no sandbox")?.port,
        Port::Process(Name::Postgres) => 5433,
        Port::Process(Name::Rabbitmq) => 5673,
        Port::Management => 15673,
        Port::Distribution => 25673,
        Port::PortMapper => 4370,
    })
}

/// Whether nothing listens on this loopback port.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
