//! The processes by their names.

use std::fmt;

/// A process of the suite, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The private PostgreSQL.
    Postgres,
    /// The n-th node of the private RabbitMQ, from 1.
    Rabbitmq(u8),
    /// A service of the registry.
    Service(&'static str),
    /// The n-th process of a service, from 2.
    Further(&'static str, u8),
    /// The n-th outbox-relay, from 1.
    Relay(u8),
    /// storefront.
    Storefront,
    /// What stands for something outside of the shop.
    Tool(&'static str),
}

impl Name {
    /// The broker, or the first of its nodes.
    pub const RABBITMQ: Self = Self::Rabbitmq(1);
    /// The relay, or the first of them.
    pub const RELAY: Self = Self::Relay(1);
    /// The catalog, which the demo, the bench and chaos change prices in.
    pub const CATALOG: Self = Self::Service("catalog");
    /// The baskets, where they look for alerts.
    pub const BASKET: Self = Self::Service("basket");
    /// Orders, which the demo places.
    pub const ORDERING: Self = Self::Service("ordering");
    /// The payment processor, which the demo kills.
    pub const PAYMENT: Self = Self::Service("payment");
    /// What stands for the payment provider, whose ledger the demo reads.
    pub const SANDBOX: Self = Self::Tool("sandbox");
    /// Users, who register in chaos.
    pub const ACCOUNTS: Self = Self::Service("accounts");
    /// Their mails.
    pub const NOTIFIER: Self = Self::Service("notifier");
    /// What stands for a mail server, where chaos reads them.
    pub const MAILBOX: Self = Self::Tool("mailbox");

    /// The n-th basket, from 1.
    pub const fn basket(n: u8) -> Self {
        if n == 1 { Self::BASKET } else { Self::Further("basket", n) }
    }

    /// Whether it is a node of the broker.
    pub const fn is_broker(self) -> bool {
        matches!(self, Self::Rabbitmq(_))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.pad("postgres"),
            Self::Rabbitmq(1) => f.pad("rabbitmq"),
            Self::Rabbitmq(n) => f.pad(&format!("rabbitmq-{n}")),
            Self::Further(name, n) => f.pad(&format!("{name}-{n}")),
            Self::Service(name) | Self::Tool(name) => f.pad(name),
            Self::Relay(1) => f.pad("relay"),
            Self::Relay(n) => f.pad(&format!("relay-{n}")),
            Self::Storefront => f.pad("storefront"),
        }
    }
}
