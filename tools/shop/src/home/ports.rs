//! Which loopback ports this checkout uses.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{Home, read_if_there, write_private};
use crate::registry::{Name, Registry};

/// Something that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// A process: HTTP, PostgreSQL's protocol, or AMQP.
    Process(Name),
    /// Where a tool takes mail.
    Smtp(&'static str),
    /// The management interface of a node of RabbitMQ, HTTP.
    Management(u8),
    /// A node's Erlang distribution, for the other nodes and its own command line tools.
    Distribution(u8),
    /// Erlang's port mapper, which RabbitMQ needs: one for all its nodes.
    PortMapper,
}

impl Port {
    /// All that these processes listen on, with RabbitMQ's further ports.
    pub fn of_all(registry: &Registry, names: impl IntoIterator<Item = Name>) -> Vec<Self> {
        let of_one = |name: Name| {
            let further = match name {
                Name::Tool(tool) => registry
                    .tool(tool)
                    .and_then(|tool| tool.smtp_port)
                    .map(|_| Self::Smtp(tool))
                    .into_iter()
                    .collect(),
                Name::Rabbitmq(n) => vec![Self::Management(n), Self::Distribution(n)],
                _ => Vec::new(),
            };
            [Self::Process(name)].into_iter().chain(further)
        };
        names.into_iter().flat_map(of_one).chain([Self::PortMapper]).collect()
    }
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
            Self::Process(Name::Rabbitmq(n)) => numbered(f, "amqp", *n),
            Self::Process(Name::Relay(n)) => write!(f, "relay-{n}"),
            Self::Process(name) => name.fmt(f),
            Self::Smtp(tool) => write!(f, "{tool}-smtp"),
            Self::Management(n) => numbered(f, "management", *n),
            Self::Distribution(n) => numbered(f, "distribution", *n),
            Self::PortMapper => f.write_str("port-mapper"),
        }
    }
}

/// The first has the plain name: files of a time when there was one keep their meaning.
fn numbered(f: &mut fmt::Formatter<'_>, what: &str, n: u8) -> fmt::Result {
    if n == 1 { f.write_str(what) } else { write!(f, "{what}-{n}") }
}

/// A taken port is tried again so much higher: the last two digits go on saying what it is.
const STEP: u16 = 100;

/// How much higher the ports of a second node or basket begin: away from those of parallel suites, whose ports look
/// free while their servers are down.
const APART: u16 = 5 * STEP;

/// How many ports are tried before giving up.
const TRIES: u16 = 90;

/// The ports in use, by listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// Reads what was assigned the last time; nothing, if nothing was.
    pub fn load(home: &Home) -> Result<Self> {
        let assigned = read_if_there(&path(home), "cargo shop reset clears it")?;
        Ok(Self(assigned.unwrap_or_default()))
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

    /// Gives a listener this port.
    pub fn set(&mut self, listener: impl Into<Port>, port: u16) {
        self.0.insert(listener.into().to_string(), port);
    }

    /// The port of one listener; fails if none was assigned.
    pub fn of(&self, listener: impl Into<Port>) -> Result<u16> {
        let key = listener.into().to_string();
        self.0
            .get(&key)
            .copied()
            .with_context(|| format!("{key} has no port yet: cargo shop down, then cargo shop up assigns it"))
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
        Port::Process(name @ Name::Tool(_)) => registry.program(name).context("there is no such tool")?.port,
        Port::Smtp(name) => {
            registry.tool(name).and_then(|tool| tool.smtp_port).context("there is no such tool")?
        }
        Port::Process(Name::Postgres) => 5433,
        Port::Process(Name::Further(name, n)) => registry.service(name)?.program.port + apart(n),
        Port::Process(Name::Rabbitmq(n)) => 5673 + apart(n),
        Port::Management(n) => 15673 + apart(n),
        Port::Distribution(n) => 25673 + apart(n),
        Port::PortMapper => 4370,
    })
}

fn apart(n: u8) -> u16 {
    u16::from(n.saturating_sub(1)) * APART
}

/// Whether nothing listens on this loopback port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
