//! Which partitions may be published now.

use std::time::{Duration, Instant};

use crate::Lease;

/// What a renewal said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// How many partitions the relay still owns.
    pub owned: usize,
    /// Whether the partitions are not shared fairly among the relays that are alive now.
    pub is_unbalanced: bool,
}

/// What the engine knows of its leases. They count from before the database was asked, on this process's
/// own clock, so that they can only end too early.
pub(crate) struct Ownership {
    renewal: Duration,
    trusted: Duration,
    leases: Vec<Lease>,
    asked_at: Option<Instant>,
    wants_agreement: bool,
}

impl Ownership {
    pub(crate) fn new(renewal: Duration, trusted: Duration) -> Self {
        Self { renewal, trusted, leases: Vec::new(), asked_at: None, wants_agreement: true }
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

    /// Whether relays have to agree anew before anything more is sent.
    pub(crate) fn wants_agreement(&self) -> bool {
        self.wants_agreement
    }

    pub(crate) fn agree(&mut self) {
        self.wants_agreement = true;
    }

    /// Relays are being asked: whatever is rung from here on wants another agreement.
    pub(crate) fn asks(&mut self) {
        self.wants_agreement = false;
    }

    /// The relays have agreed. `true` if that changed what this one owns.
    pub(crate) fn agreed(&mut self, leases: Vec<Lease>, asked_at: Instant) -> bool {
        self.asked_at = Some(asked_at);
        let changed = self.leases != leases;
        self.leases = leases;
        changed
    }

    /// The database has prolonged the leases. `false` if one was lost, and so all count as lost.
    #[must_use]
    pub(crate) fn renewed(&mut self, renewed: Renewed, asked_at: Instant) -> bool {
        if renewed.owned != self.leases.len() {
            self.lost();
            return false;
        }
        self.asked_at = Some(asked_at);
        self.wants_agreement |= renewed.is_unbalanced;
        true
    }

    pub(crate) fn lost(&mut self) {
        self.leases.clear();
        self.asked_at = None;
        self.wants_agreement = true;
    }
}
