//! How many there are of what there can be several of.

use serde::{Deserialize, Serialize};

/// The most relays there can be: each has a port of its own, beginning with the registry's.
pub const MOST_RELAYS: u8 = 10;

/// The nodes of a cluster of the broker: a majority of fewer is all of them.
pub const CLUSTER: u8 = 3;

/// The most baskets there can be.
pub const MOST_BASKETS: u8 = 5;

/// How many nodes the broker has, and how many relays and baskets run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Nodes of the broker: 1 or [`CLUSTER`].
    pub brokers: u8,
    /// Relays.
    pub relays: u8,
    /// Baskets. One of them consumes, the others stand by.
    pub baskets: u8,
}

impl Counts {
    /// As many as there can be.
    pub const MOST: Self = Self { brokers: CLUSTER, relays: MOST_RELAYS, baskets: MOST_BASKETS };
}

impl Default for Counts {
    fn default() -> Self {
        Self { brokers: 1, relays: 1, baskets: 1 }
    }
}
