//! Statements about the log.

use std::sync::Arc;

use event_bus::crash_point;
use relay_engine::{Batch, Lease, Pending, Poll};
use uuid::Uuid;

use crate::store::{
    Session, StoreError,
    pending::{self, PendingEvent},
    within,
};

/// A row of the log, as the engine sees it; shared with the message in flight.
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

/// The outcome of a statement about the log.
pub(crate) enum Answer {
    Polled(Batch<Row>),
    Marked(u64),
    MarkedFailed(bool),
}

pub(crate) async fn poll(mut session: Session, poll: Poll) -> (Session, Result<Answer, StoreError>) {
    let mut polled = within("read pending events", pending::poll(&mut session, &poll)).await;
    if polled.as_ref().is_ok_and(|polled| polled.events.iter().any(|event| event.generation == 0)) {
        polled = Err(StoreError::Restored);
    }
    if polled.is_ok() {
        crash_point!("relay.after_read");
    }
    let batch = polled.map(|polled| {
        Answer::Polled(Batch {
            generation: poll.generation,
            events: polled.events.into_iter().map(Arc::new).map(Row).collect(),
            oldest_open: polled.oldest_open,
            failed: polled.failed.map(|failed| failed.into_iter().collect()),
        })
    });
    (session, batch)
}

pub(crate) async fn mark(mut session: Session, ids: Vec<Uuid>) -> (Session, Result<Answer, StoreError>) {
    crash_point!("relay.before_mark");
    let marked = within("mark events published", pending::mark_published(&mut session, &ids)).await;
    crash_point!("relay.after_mark");
    (session, marked.map(Answer::Marked))
}

pub(crate) async fn mark_failed(
    mut session: Session,
    id: Uuid,
    reason: String,
    relay_id: Uuid,
    lease: Lease,
) -> (Session, Result<Answer, StoreError>) {
    let mark = pending::mark_failed(&mut session, id, &reason, relay_id, lease);
    let marked = within("mark an event failed", mark).await;
    if let Ok(true) = marked {
        tracing::error!(event.id = %id, reason, "an event failed and blocks its key: requeue or skip it");
    }
    (session, marked.map(Answer::MarkedFailed))
}
