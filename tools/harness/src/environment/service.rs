//! The services' processes by name.

use std::fmt;

use shop::registry::Name;

/// A process of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// catalog-api.
    Catalog,
    /// The n-th basket-api, from 1.
    Basket(u8),
    /// The n-th outbox-relay, from 1.
    Relay(u8),
    /// ordering-api.
    Ordering,
    /// payment-processor.
    Payment,
    /// What stands for the payment provider.
    Sandbox,
    /// What stands for a mail server.
    Mailbox,
    /// notifier.
    Notifier,
    /// accounts-api.
    Accounts,
}

impl Service {
    /// Every process that there may be.
    pub(super) fn all(relays: u8, baskets: u8) -> impl Iterator<Item = Self> {
        let (relays, baskets) = ((1..=relays).map(Self::Relay), (1..=baskets).map(Self::Basket));
        let orders = [Self::Ordering, Self::Payment, Self::Sandbox];
        let users = [Self::Mailbox, Self::Notifier, Self::Accounts];
        std::iter::once(Self::Catalog).chain(relays).chain(baskets).chain(orders).chain(users)
    }

    /// The process of `cargo shop up` whose configuration it gets.
    pub(super) fn name(self) -> Name {
        match self {
            Self::Catalog => Name::CATALOG,
            Self::Basket(n) => Name::basket(n),
            Self::Relay(n) => Name::Relay(n),
            Self::Ordering => Name::Service("ordering"),
            Self::Payment => Name::Service("payment"),
            Self::Sandbox => Name::Tool("sandbox"),
            Self::Mailbox => Name::Tool("mailbox"),
            Self::Notifier => Name::Service("notifier"),
            Self::Accounts => Name::Service("accounts"),
        }
    }

    /// Whether it stands for something outside of the shop, and uses neither database nor broker.
    pub fn is_tool(self) -> bool {
        matches!(self, Self::Sandbox | Self::Mailbox)
    }

    /// The program that it runs.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Catalog => "catalog-api",
            Self::Basket(_) => "basket-api",
            Self::Relay(_) => "outbox-relay",
            Self::Ordering => "ordering-api",
            Self::Payment => "payment-processor",
            Self::Sandbox => "payment-sandbox",
            Self::Mailbox => "mailbox",
            Self::Notifier => "notifier",
            Self::Accounts => "accounts-api",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("catalog"),
            Self::Basket(1) => f.write_str("basket"),
            Self::Basket(n) => write!(f, "basket-{n}"),
            Self::Relay(1) => f.write_str("relay"),
            Self::Relay(n) => write!(f, "relay-{n}"),
            Self::Ordering => f.write_str("ordering"),
            Self::Payment => f.write_str("payment"),
            Self::Sandbox => f.write_str("sandbox"),
            Self::Mailbox => f.write_str("mailbox"),
            Self::Notifier => f.write_str("notifier"),
            Self::Accounts => f.write_str("accounts"),
        }
    }
}
