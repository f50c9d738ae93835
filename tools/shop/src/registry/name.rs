//! The processes by their names.

use std::fmt;

/// A process of the suite, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The private PostgreSQL.
    Postgres,
    /// The private RabbitMQ.
    Rabbitmq,
    /// A service of the registry.
    Service(&'static str),
    /// The n-th outbox-relay, from 1.
    Relay(u8),
    /// storefront.
    Storefront,
    /// What stands for the payment provider.
    Sandbox,
}

impl Name {
    /// The catalog, which the demo, the bench and chaos change prices in.
    pub const CATALOG: Self = Self::Service("catalog");
    /// The baskets, where they look for alerts.
    pub const BASKET: Self = Self::Service("basket");
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.pad("postgres"),
            Self::Rabbitmq => f.pad("rabbitmq"),
            Self::Service(name) => f.pad(name),
            Self::Relay(1) => f.pad("relay"),
            Self::Relay(n) => f.pad(&format!("relay-{n}")),
            Self::Storefront => f.pad("storefront"),
            Self::Sandbox => f.pad("sandbox"),
        }
    }
}
