//! Agreeing with other relays on who publishes what.

use std::time::Duration;

use event_bus::{
    crash_point,
    outbox::{
        PARTITIONS,
        ownership::{self, Presence},
    },
    without::{Safety, without},
};
use relay_engine::{Lease, Renewed, Terms};
use uuid::Uuid;

use super::session::Session;
use crate::relay::{Source, Trouble, within};

/// How long ownership lasts without renewal: after this a frozen relay's partitions are another's.
const LEASE: Duration = Duration::from_secs(4);

/// The engine counts on less of a lease than it lasts, for the way to the broker.
const _: () = assert!(LEASE.as_millis() >= 3_500 + 500, "Terms::default().trusted, and some more");

/// What came of a question about ownership.
pub(crate) enum Answer {
    Agreed { leases: Vec<Lease>, neighbour: Option<Uuid> },
    Renewed(Renewed),
    Resigned,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) presence: Presence,
}

impl Member {
    /// Opens the session by which other relays know this one.
    pub(crate) async fn enter(&self, source: &Source) -> Result<Session, Trouble> {
        let mut session = source.connect().await?;
        if self.presence == Presence::Session {
            within("enter the relays", ownership::enter(session.connection(), self.id)).await?;
        }
        Ok(session)
    }

    pub(crate) async fn agree(self, mut session: Session) -> (Session, Result<Answer, Trouble>) {
        crash_point!("relay.before_ownership");
        let answer = async {
            session.begin().await?;
            let agree = ownership::agree(session.statement(), self.id, &self.name, self.presence, LEASE);
            let agreed = within("agree on partitions with other relays", agree).await?;
            session.end().await?;
            let leases = agreed.leases.iter();
            let mut leases: Vec<Lease> =
                leases.map(|lease| Lease { partition: lease.partition, epoch: lease.epoch }).collect();
            if without(Safety::Ownership) {
                leases = (0..PARTITIONS).map(|partition| Lease { partition, epoch: 0 }).collect();
            }
            Ok(Answer::Agreed { leases, neighbour: agreed.neighbour })
        };
        let answer = answer.await;
        crash_point!("relay.after_ownership");
        (session, answer)
    }

    pub(crate) async fn renew(self, mut session: Session) -> (Session, Result<Answer, Trouble>) {
        crash_point!("relay.while_renewing");
        let answer = async {
            session.begin().await?;
            let renew = ownership::renew(session.statement(), self.id, LEASE);
            let renewed = within("renew ownership", renew).await?;
            session.end().await?;
            if without(Safety::Ownership) {
                let owned = usize::from(PARTITIONS.unsigned_abs());
                return Ok(Answer::Renewed(Renewed { owned, is_unbalanced: false }));
            }
            Ok(Answer::Renewed(Renewed { owned: renewed.owned, is_unbalanced: renewed.is_unbalanced }))
        };
        let answer = answer.await;
        (session, answer)
    }

    /// The last act of a clean stop.
    pub(crate) async fn resign(self, mut session: Session) -> (Session, Result<Answer, Trouble>) {
        crash_point!("relay.while_resigning");
        let answer = async {
            session.begin().await?;
            within("give up partitions", ownership::resign(session.statement(), self.id)).await?;
            session.end().await?;
            Ok(Answer::Resigned)
        };
        let answer = answer.await;
        (session, answer)
    }
}

/// The terms that the engine works under.
pub(crate) fn terms(chunk: u16, window: u16) -> Terms {
    Terms { chunk: usize::from(chunk), window: usize::from(window), ..Terms::default() }
}
