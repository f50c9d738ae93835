//! Reading and marking the log.

use event_bus::{
    crash_point,
    outbox::{
        log::{self, PendingEvent},
        ownership,
    },
};
use relay_engine::{Found, Lease, Look, Pending};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Trouble, within};

/// A row of the log, as the engine sees it.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) PendingEvent);

impl Pending for Row {
    fn id(&self) -> Uuid {
        self.0.event_id
    }

    fn position(&self) -> i64 {
        self.0.position
    }

    fn key(&self) -> &str {
        &self.0.key
    }

    fn partition(&self) -> i16 {
        self.0.partition
    }

    fn size(&self) -> usize {
        self.0.payload.len()
    }
}

/// What came of a statement about the log.
pub(crate) enum Answer {
    Found(Found<Row>),
    Marked(u64),
    Parked(bool),
}

pub(crate) async fn read(mut session: PgConnection, look: Look) -> (PgConnection, Result<Answer, Trouble>) {
    let wanted = log::Look {
        partitions: look.partitions.clone(),
        after: look.after,
        known: look.known.clone(),
        limit: i64::try_from(look.limit).unwrap_or(i64::MAX),
        bytes: i64::try_from(look.bytes).unwrap_or(i64::MAX),
    };
    let looked = within("read what is pending", log::look(&mut session, &wanted)).await;
    crash_point!("relay.after_read");
    let found = looked.map(|looked| {
        Answer::Found(Found {
            look,
            events: looked.events.into_iter().map(Row).collect(),
            oldest_open: looked.oldest_open,
            parked: looked.parked.map(|parked| parked.into_iter().collect()),
        })
    });
    (session, found)
}

pub(crate) async fn mark(
    mut session: PgConnection,
    ids: Vec<Uuid>,
) -> (PgConnection, Result<Answer, Trouble>) {
    crash_point!("relay.before_mark");
    let marked = within("mark what was published", log::mark_published(&mut session, &ids)).await;
    crash_point!("relay.after_mark");
    (session, marked.map(Answer::Marked))
}

pub(crate) async fn park(
    mut session: PgConnection,
    id: Uuid,
    reason: String,
    relay_id: Uuid,
    lease: Lease,
) -> (PgConnection, Result<Answer, Trouble>) {
    let lease = ownership::Lease { relay_id, partition: lease.partition, epoch: lease.epoch };
    let parked = log::mark_failed(&mut session, id, &reason, &lease);
    let parked = within("mark what cannot be published", parked).await;
    if let Ok(true) = parked {
        tracing::error!(
            event.id = %id, reason,
            "an event cannot be published; its key waits: requeue or skip it"
        );
    }
    (session, parked.map(Answer::Parked))
}
