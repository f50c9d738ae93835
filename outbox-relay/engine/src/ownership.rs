//! The partitions that this relay may publish now.

use std::time::{Duration, Instant};

/// A partition that the relay may publish, and the epoch that fences its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: i16,
    /// The epoch: one more than the previous owner's.
    pub epoch: i64,
}

/// Whether a rebalance takes partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The relay takes its share.
    Share,
    /// The relay has no broker: it releases its partitions, and does not count when they are shared.
    Nothing,
}

/// The result of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// How many partitions the relay still owns.
    pub owned: usize,
    /// Whether the partitions are not shared evenly among the relays that are alive.
    pub is_unbalanced: bool,
}

/// The leases, as far as the engine knows. They count from before the database was asked, on this process's
/// own clock, so they can only end too early.
pub(crate) struct Ownership {
    renewal: Duration,
    trusted: Duration,
    leases: Vec<Lease>,
    asked_at: Option<Instant>,
    wants_rebalance: bool,
}

impl Ownership {
    pub(crate) fn new(renewal: Duration, trusted: Duration) -> Self {
        Self { renewal, trusted, leases: Vec::new(), asked_at: None, wants_rebalance: true }
    }

    pub(crate) fn leases(&self) -> &[Lease] {
        &self.leases
    }

    pub(crate) fn lease(&self, partition: i16) -> Option<Lease> {
        self.leases.iter().find(|lease| lease.partition == partition).copied()
    }

    pub(crate) fn is_valid(&self, now: Instant) -> bool {
        !self.leases.is_empty() && self.asked_at.is_some_and(|at| now < at + self.trusted)
    }

    pub(crate) fn renewal_at(&self) -> Option<Instant> {
        self.asked_at.map(|at| at + self.renewal)
    }

    pub(crate) fn is_renewal_due(&self, now: Instant) -> bool {
        self.renewal_at().is_none_or(|at| at <= now)
    }

    /// Whether a rebalance must come before the next send.
    pub(crate) fn wants_rebalance(&self) -> bool {
        self.wants_rebalance
    }

    pub(crate) fn rebalance(&mut self) {
        self.wants_rebalance = true;
    }

    /// A rebalance starts. A change that is reported from now on needs another one.
    pub(crate) fn rebalance_started(&mut self) {
        self.wants_rebalance = false;
    }

    /// A rebalance has ended. Returns `true` if it changed what this relay owns.
    pub(crate) fn rebalanced(&mut self, leases: Vec<Lease>, asked_at: Instant) -> bool {
        self.asked_at = Some(asked_at);
        let changed = self.leases != leases;
        self.leases = leases;
        changed
    }

    /// The database has renewed the leases. Returns `false` if one was lost; then all count as lost.
    #[must_use]
    pub(crate) fn renewed(&mut self, renewed: Renewed, asked_at: Instant) -> bool {
        if renewed.owned != self.leases.len() {
            self.lost();
            return false;
        }
        self.asked_at = Some(asked_at);
        self.wants_rebalance |= renewed.is_unbalanced;
        true
    }

    pub(crate) fn lost(&mut self) {
        self.leases.clear();
        self.asked_at = None;
        self.wants_rebalance = true;
    }
}
