//! Which partitions this relay may publish now.

use std::time::Duration;

use event_bus::{
    crash_point,
    outbox::ownership::{self, Lease},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Trouble, within};

/// How long ownership lasts without renewal: after this a frozen relay's partitions are another's.
const LEASE: Duration = Duration::from_secs(4);

/// How often it is renewed, and the share compared with that of others.
pub(crate) const RENEWAL: Duration = Duration::from_millis(1_500);

/// How long this process counts on a lease: less than it lasts, for the way to the broker.
const TRUSTED: Duration = Duration::from_millis(3_500);

/// The relay's membership of one database, on a session of its own: it ends with the session.
pub(crate) struct Ownership {
    session: PgConnection,
    relay_id: Uuid,
    relay_name: String,
    leases: Vec<Lease>,
    partitions: Vec<i16>,
    renewed_at: Option<Instant>,
}

impl Ownership {
    /// Opens the session. Owns nothing yet.
    pub(crate) async fn open(
        options: &PgConnectOptions,
        relay_id: Uuid,
        relay_name: &str,
    ) -> Result<Self, Trouble> {
        let session = within("connect to the database", PgConnection::connect_with(options)).await?;
        Ok(Self {
            session,
            relay_id,
            relay_name: relay_name.to_owned(),
            leases: Vec::new(),
            partitions: Vec::new(),
            renewed_at: None,
        })
    }

    /// What may be published now.
    pub(crate) fn partitions(&self) -> &[i16] {
        if self.is_valid() { &self.partitions } else { &[] }
    }

    /// The fence for a write about an event of this partition.
    pub(crate) fn lease(&self, partition: i16) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.partition == partition)
    }

    /// Whether the leases still hold, on this process's own clock: counted from before the database was
    /// asked, so it can only end too early.
    pub(crate) fn is_valid(&self) -> bool {
        self.renewed_at.is_some_and(|at| at.elapsed() < TRUSTED)
    }

    /// Waits until it is time for the next renewal.
    pub(crate) async fn renewal_due(&self) {
        if let Some(at) = self.renewed_at {
            tokio::time::sleep_until(at + RENEWAL).await;
        }
    }

    /// Renews, where that is due, and takes or gives up partitions so that all relays have the same
    /// share. To be called while nothing is on its way to the broker.
    pub(crate) async fn rebalance(&mut self) -> Result<(), Trouble> {
        if self.renewed_at.is_some_and(|at| at.elapsed() < RENEWAL) {
            return Ok(());
        }
        crash_point!("relay.before_ownership");
        let asked_at = Instant::now();
        let rebalance = ownership::rebalance(&mut self.session, self.relay_id, &self.relay_name, LEASE);
        self.leases = within("agree on partitions with other relays", rebalance).await?;
        self.partitions = self.leases.iter().map(|lease| lease.partition).collect();
        self.renewed_at = Some(asked_at);
        crash_point!("relay.after_ownership");
        Ok(())
    }

    /// Renews, while messages are on their way. Where something was lost meanwhile the leases count as
    /// over, so that nothing more is sent before the next [`rebalance`](Self::rebalance).
    pub(crate) async fn renew(&mut self) -> Result<(), Trouble> {
        crash_point!("relay.while_renewing");
        let asked_at = Instant::now();
        let renew = ownership::renew(&mut self.session, self.relay_id, LEASE);
        let still_owned = within("renew ownership", renew).await?;
        self.renewed_at = (still_owned == self.leases.len()).then_some(asked_at);
        Ok(())
    }

    /// Gives everything up: the last act of a clean stop.
    pub(crate) async fn resign(mut self) {
        crash_point!("relay.while_resigning");
        let resign = ownership::resign(&mut self.session, self.relay_id);
        if let Err(trouble) = within("give up partitions", resign).await {
            tracing::warn!(%trouble, "others take over when the lease runs out");
        }
    }
}
