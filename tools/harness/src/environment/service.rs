//! The services' processes by name.

use std::fmt;

use shop::registry::Name;

/// A process of a service. Unlike `cargo shop up`, an environment may have several baskets.
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
}

impl Service {
    /// The process of `cargo shop up` whose configuration it gets.
    pub(super) fn name(self) -> Name {
        match self {
            Self::Catalog => Name::CATALOG,
            Self::Basket(_) => Name::BASKET,
            Self::Relay(n) => Name::Relay(n),
            Self::Ordering => Name::Service("ordering"),
            Self::Payment => Name::Service("payment"),
            Self::Sandbox => Name::Sandbox,
        }
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
        }
    }
}
