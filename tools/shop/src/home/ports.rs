//! Which loopback ports this checkout uses.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{Home, write_private};

/// Something that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// catalog-api, HTTP.
    Catalog,
    /// basket-api, HTTP.
    Basket,
    /// The n-th outbox-relay (from 1), HTTP.
    Relay(u8),
    /// storefront, HTTP.
    Storefront,
    /// PostgreSQL.
    Postgres,
    /// RabbitMQ, AMQP.
    Amqp,
    /// RabbitMQ's management interface, HTTP.
    Management,
    /// RabbitMQ's Erlang distribution, for its own command line tools.
    Distribution,
    /// Erlang's port mapper, which RabbitMQ needs.
    PortMapper,
}

impl Service {
    fn key(self) -> String {
        match self {
            Self::Catalog => "catalog".to_owned(),
            Self::Basket => "basket".to_owned(),
            Self::Relay(n) => format!("relay-{n}"),
            Self::Storefront => "storefront".to_owned(),
            Self::Postgres => "postgres".to_owned(),
            Self::Amqp => "amqp".to_owned(),
            Self::Management => "management".to_owned(),
            Self::Distribution => "distribution".to_owned(),
            Self::PortMapper => "port-mapper".to_owned(),
        }
    }

    fn preferred(self) -> u16 {
        match self {
            Self::Catalog => 5101,
            Self::Basket => 5102,
            Self::Relay(n) => 5102 + u16::from(n),
            Self::Storefront => 5100,
            Self::Postgres => 5433,
            Self::Amqp => 5673,
            Self::Management => 15673,
            Self::Distribution => 25673,
            Self::PortMapper => 4370,
        }
    }
}

/// A taken port is tried again so much higher: the last digit goes on saying what it is.
const STEP: u16 = 10;

/// How many ports are tried before giving up.
const TRIES: u16 = 90;

/// The ports in use, by service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// Reads what was settled the last time; nothing, if nothing was.
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

    /// Gives each of these services a free port: the one it had, the one it prefers, or the next free one.
    ///
    /// `offset` is added to what is preferred; a test run stays out of the way of a running suite by it.
    pub fn settle(&mut self, services: &[Service], offset: u16) -> Result<()> {
        for &service in services {
            let key = service.key();
            let taken: Vec<u16> =
                self.0.iter().filter(|(other, _)| **other != key).map(|(_, port)| *port).collect();
            let preferred = service.preferred() + offset;
            let candidates = self.0.get(&key).copied().into_iter();
            let candidates = candidates.chain((0..TRIES).map(|turn| preferred + turn * STEP));
            match candidates.into_iter().find(|port| !taken.contains(port) && is_free(*port)) {
                Some(port) => self.0.insert(key, port),
                None => {
                    bail!("no free port for {service:?}: tried {preferred} and {TRIES} more, {STEP} apart")
                }
            };
        }
        Ok(())
    }

    /// The port of one service; fails if none was settled.
    pub fn of(&self, service: Service) -> Result<u16> {
        self.0.get(&service.key()).copied().with_context(|| format!("no port is settled for {service:?}"))
    }
}

fn path(home: &Home) -> PathBuf {
    home.dir().join("ports.json")
}

/// Whether nobody listens on this loopback port.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
