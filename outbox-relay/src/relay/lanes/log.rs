//! Reading and marking the log.

use std::sync::Arc;

use event_bus::{
    crash_point,
    outbox::{
        log::{self, PendingEvent},
        ownership,
    },
};
use relay_engine::{Found, Lease, Look, Pending};
use uuid::Uuid;

use super::session::Session;
use crate::relay::{Trouble, within};

/// A row of the log, as the engine sees it; shared with what is on its way.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Arc<PendingEvent>);

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

pub(crate) async fn read(mut session: Session, look: Look) -> (Session, Result<Answer, Trouble>) {
    let wanted = log::Look {
        partitions: look.partitions.clone(),
        after: look.after,
        known: look.known.clone(),
        limit: i64::try_from(look.limit).unwrap_or(i64::MAX),
        bytes: i64::try_from(look.bytes).unwrap_or(i64::MAX),
    };
    let found = async {
        session.begin().await?;
        let looked = within("read what is pending", log::look(session.statement(), &wanted)).await?;
        session.end().await?;
        crash_point!("relay.after_read");
        Ok(Answer::Found(Found {
            look,
            events: looked.events.into_iter().map(Arc::new).map(Row).collect(),
            oldest_open: looked.oldest_open,
            parked: looked.parked.map(|parked| parked.into_iter().collect()),
        }))
    };
    let found = found.await;
    (session, found)
}

pub(crate) async fn mark(mut session: Session, ids: Vec<Uuid>) -> (Session, Result<Answer, Trouble>) {
    crash_point!("relay.before_mark");
    let marked = async {
        session.begin().await?;
        let mark = log::mark_published(session.statement(), &ids);
        let marked = within("mark what was published", mark).await?;
        session.end().await?;
        Ok(Answer::Marked(marked))
    };
    let marked = marked.await;
    crash_point!("relay.after_mark");
    (session, marked)
}

pub(crate) async fn park(
    mut session: Session,
    id: Uuid,
    reason: String,
    relay_id: Uuid,
    lease: Lease,
) -> (Session, Result<Answer, Trouble>) {
    let lease = ownership::Lease { relay_id, partition: lease.partition, epoch: lease.epoch };
    let parked = async {
        session.begin().await?;
        let park = log::mark_failed(session.statement(), id, &reason, &lease);
        let done = within("mark what cannot be published", park).await?;
        session.end().await?;
        if done {
            let consequence = "an event cannot be published; its key waits: requeue or skip it";
            tracing::error!(event.id = %id, reason, "{consequence}");
        }
        Ok(Answer::Parked(done))
    };
    let parked = parked.await;
    (session, parked)
}
