//! The processes by their names.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::home::Service;

/// The most relays there can be: their ports end in 3 to 9.
pub const MOST_RELAYS: u8 = 7;

/// A process of the suite, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The private PostgreSQL.
    Postgres,
    /// The private RabbitMQ.
    Rabbitmq,
    /// catalog-api.
    Catalog,
    /// basket-api.
    Basket,
    /// The n-th outbox-relay, from 1.
    Relay(u8),
    /// storefront.
    Storefront,
}

impl Name {
    /// All processes of a suite with so many relays, in the order they are started in.
    pub fn all(relays: u8) -> Vec<Self> {
        let mut names = vec![Self::Postgres, Self::Rabbitmq];
        names.extend(Self::services(relays));
        names
    }

    /// Only the services, in the order they are started in.
    pub fn services(relays: u8) -> Vec<Self> {
        let mut names = vec![Self::Catalog, Self::Basket];
        names.extend((1..=relays).map(Self::Relay));
        names.push(Self::Storefront);
        names
    }

    /// The binary that it runs; `None` for the servers.
    pub fn binary(self) -> Option<&'static str> {
        match self {
            Self::Catalog => Some("catalog-api"),
            Self::Basket => Some("basket-api"),
            Self::Relay(_) => Some("outbox-relay"),
            Self::Storefront => Some("storefront"),
            Self::Postgres | Self::Rabbitmq => None,
        }
    }

    /// The port that matters most of it.
    pub fn port(self) -> Service {
        match self {
            Self::Postgres => Service::Postgres,
            Self::Rabbitmq => Service::Amqp,
            Self::Catalog => Service::Catalog,
            Self::Basket => Service::Basket,
            Self::Relay(n) => Service::Relay(n),
            Self::Storefront => Service::Storefront,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.pad("postgres"),
            Self::Rabbitmq => f.pad("rabbitmq"),
            Self::Catalog => f.pad("catalog"),
            Self::Basket => f.pad("basket"),
            Self::Relay(1) => f.pad("relay"),
            Self::Relay(n) => f.pad(&format!("relay-{n}")),
            Self::Storefront => f.pad("storefront"),
        }
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "postgres" | "postgresql" => Self::Postgres,
            "rabbitmq" => Self::Rabbitmq,
            "catalog" | "catalog-api" => Self::Catalog,
            "basket" | "basket-api" => Self::Basket,
            "relay" | "outbox-relay" => Self::Relay(1),
            "storefront" => Self::Storefront,
            _ => {
                let number = text.strip_prefix("outbox-relay-").or_else(|| text.strip_prefix("relay-"));
                match number.and_then(|number| number.parse().ok()) {
                    Some(n @ 1..=MOST_RELAYS) => Self::Relay(n),
                    _ => bail!(
                        "there is no process {text:?}: the names are catalog, basket, relay (relay-2 …), \
                         storefront, postgres and rabbitmq"
                    ),
                }
            }
        })
    }
}
