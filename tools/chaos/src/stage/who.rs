//! The suite's processes as the harness names them.

use std::fmt;

use shop::suite::Name;

/// A service's process. Unlike `cargo shop up`, the harness may have several baskets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// catalog-api.
    Catalog,
    /// The n-th basket-api, from 1.
    Basket(u8),
    /// The n-th outbox-relay, from 1.
    Relay(u8),
}

impl Who {
    /// The process of the suite whose configuration it gets.
    pub(super) fn name(self) -> Name {
        match self {
            Self::Catalog => Name::Catalog,
            Self::Basket(_) => Name::Basket,
            Self::Relay(n) => Name::Relay(n),
        }
    }

    pub(super) fn binary(self) -> &'static str {
        match self {
            Self::Catalog => "catalog-api",
            Self::Basket(_) => "basket-api",
            Self::Relay(_) => "outbox-relay",
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("catalog"),
            Self::Basket(n) => write!(f, "basket-{n}"),
            Self::Relay(n) => write!(f, "relay-{n}"),
        }
    }
}
