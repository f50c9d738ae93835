//! Statements about the log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use event_bus::crash_point;
use relay_engine::{Batch, Failed, Pending, Poll};
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

    fn event_type(&self) -> &str {
        &self.0.event_type
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
    /// The server gave the poll up.
    PollCancelled,
    Marked(u64),
    MarkedFailed(Vec<Uuid>),
    /// So many scheduled events are in the log now, and how long it is until the next.
    MovedDue(usize, Option<Duration>),
    /// The server refused to move what is due, for this reason.
    MoveDueRefused(String),
}

pub(crate) async fn poll(mut session: Session, poll: Poll) -> (Session, Result<Answer, StoreError>) {
    let mut polled = within("read pending events", pending::poll(&mut session, &poll)).await;
    if polled.as_ref().is_ok_and(|polled| polled.is_restored) {
        polled = Err(StoreError::Restored);
    }
    if polled.as_ref().is_err_and(StoreError::is_cancelled) {
        let cancelled = within("go on after a cancelled statement", session.cancelled()).await;
        return (session, cancelled.map(|()| Answer::PollCancelled));
    }
    if polled.is_ok() {
        crash_point!("relay.after_read");
    }
    let batch = polled.map(|polled| {
        Answer::Polled(Batch {
            resets: poll.resets,
            events: polled.events.into_iter().map(Arc::new).map(Row).collect(),
            oldest_open: polled.oldest_open,
            head: polled.head,
            failed: polled.failed.into_iter().collect(),
            next_due: polled.next_due,
        })
    });
    (session, batch)
}

pub(crate) async fn move_due(mut session: Session, limit: usize) -> (Session, Result<Answer, StoreError>) {
    crash_point!("relay.before_move_due");
    let moved = within("move due events into the log", pending::move_due(&mut session, limit)).await;
    crash_point!("relay.after_move_due");
    if let Err(error) = &moved
        && error.is_of_the_server()
    {
        let refused = within("go on after a refused statement", session.cancelled()).await;
        return (session, refused.map(|()| Answer::MoveDueRefused(error.to_string())));
    }
    (session, moved.map(|(events, next_due)| Answer::MovedDue(events, next_due)))
}

pub(crate) async fn mark(mut session: Session, ids: Vec<Uuid>) -> (Session, Result<Answer, StoreError>) {
    crash_point!("relay.before_mark");
    let marked = within("mark events published", pending::mark_published(&mut session, &ids)).await;
    crash_point!("relay.after_mark");
    (session, marked.map(Answer::Marked))
}

pub(crate) async fn mark_failed(
    mut session: Session,
    failed: Vec<Failed>,
    relay_id: Uuid,
) -> (Session, Result<Answer, StoreError>) {
    let marked = within("mark events failed", pending::mark_failed(&mut session, &failed, relay_id)).await;
    if let Ok(marked) = &marked {
        report(&failed, marked);
    }
    (session, marked.map(Answer::MarkedFailed))
}

/// Logs the events that have failed. Many events fail together for one reason: the log has it once, with the first.
fn report(failed: &[Failed], marked: &[Uuid]) {
    let mut by_reason: BTreeMap<&str, (Uuid, usize)> = BTreeMap::new();
    for one in failed.iter().filter(|one| marked.contains(&one.id)) {
        by_reason.entry(&one.reason).or_insert((one.id, 0)).1 += 1;
    }
    for (reason, (id, events)) in by_reason {
        tracing::error!(event.id = %id, events, reason, "events failed and block their keys: requeue or skip them");
    }
}
