//! What becomes of an event that had no effect when it was tried again.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{
    Shared,
    batch::{Undecided, on_connection},
    failure::{Failure, NOT_PREPARED, PUT_OFF, SOON},
    forward::Forwarder,
    handler::HandleError,
};
use crate::{
    DatabaseErrorKind,
    error::chain,
    inbox::waiting::{self, Next, Settled, Waiting},
};

/// How long it may take to send an event to the dead-letter queue.
const DEAD_LETTERING: Duration = Duration::from_secs(30);

/// For how long nobody else tries an event that is dead-lettered: until it is sent, and that is recorded.
const UNTIL_RECORDED: Duration = DEAD_LETTERING.saturating_add(SOON);

/// What was decided about an event that had no effect.
pub(super) enum Refused<'a> {
    /// It is tried again, which is no failure.
    PutOff,
    /// It has failed.
    Failed(Failure<'a>),
    /// It is put off until it is dead-lettered, for this reason.
    Rejected(String),
}

impl Refused<'_> {
    /// Reports a failure, now that it is committed; returns why the event is to be dead-lettered, if it is.
    pub(super) fn committed(self) -> Option<String> {
        match self {
            Self::PutOff => None,
            Self::Failed(failure) => {
                failure.report();
                None
            }
            Self::Rejected(reason) => Some(reason),
        }
    }
}

/// Records why an event had no effect.
pub(super) async fn refuse<'a>(
    tx: &mut PgConnection,
    shared: &'a Shared,
    waiting: &'a Waiting,
    error: &HandleError,
) -> Result<Refused<'a>, sqlx::Error> {
    let (consumer, id) = (shared.consumer.as_str(), waiting.event.id);
    match error {
        HandleError::Reject(reason) => {
            let reason = chain(&**reason);
            waiting::put_off(tx, consumer, id, UNTIL_RECORDED, &reason).await?;
            Ok(Refused::Rejected(reason))
        }
        HandleError::Database(cause) if !error.is_of_handler() => {
            // Where the database is gone this fails, and nothing is changed.
            let pause = match DatabaseErrorKind::of(cause) {
                DatabaseErrorKind::NotPrepared => NOT_PREPARED,
                _ => PUT_OFF,
            };
            waiting::put_off(tx, consumer, id, pause, &chain(cause)).await?;
            Ok(Refused::PutOff)
        }
        error => {
            let failures = waiting.failures.saturating_add(1);
            let failure = Failure::of(shared, &waiting.event, failures, &chain(error));
            let reason = failure.reason.as_str();
            match failure.next {
                Next::Skip => {
                    let skipped = Settled::Skipped { by: consumer, reason };
                    waiting::settle(tx, consumer, waiting, skipped).await?;
                }
                next => waiting::fail(tx, consumer, waiting, reason, next).await?,
            }
            Ok(Refused::Failed(failure))
        }
    }
}

/// Records why an event had no effect where the server has ended the connection that it was tried on, because of what its
/// handler did.
pub(super) async fn refuse_anew(
    shared: &Shared,
    waiting: &Waiting,
    error: &HandleError,
) -> Result<(), Undecided> {
    let recorded = on_connection(shared, SOON, async |db: &mut PgConnection| {
        let mut tx = db.begin().await?;
        // Its lock went with the connection: another process may have settled it by now.
        if !waiting::lock(&mut tx, &shared.consumer, waiting.event.id).await? {
            return Ok(None);
        }
        let refused = refuse(&mut tx, shared, waiting, error).await?;
        tx.commit().await?;
        Ok(refused.committed())
    });
    match recorded.await? {
        Some(reason) => dead_letter(shared, waiting, &reason).await,
        None => Ok(()),
    }
}

/// Sends a rejected event, which was put off, to the dead-letter queue, and takes it out of those that wait. No transaction
/// is open while the broker is asked: it may take longer than the server lets one idle.
pub(super) async fn dead_letter(shared: &Shared, waiting: &Waiting, reason: &str) -> Result<(), Undecided> {
    let (consumer, id) = (shared.consumer.as_str(), waiting.event.id);
    let sent = tokio::time::timeout(DEAD_LETTERING, async {
        let mut forwarder = Forwarder::new(&shared.broker, &shared.topology, consumer);
        let outcome = forwarder.dead_letter_event(waiting, reason).await;
        forwarder.close().await;
        outcome
    });
    let problem = match sent.await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(chain(&error)),
        Err(_) => Some(format!("it took longer than {} s", DEAD_LETTERING.as_secs())),
    };
    let problem = problem.map(|problem| format!("cannot be dead-lettered now: {problem}"));
    if let Some(reason) = &problem {
        tracing::debug!(consumer, reason, "will try again");
    }
    let recorded = on_connection(shared, SOON, async |db: &mut PgConnection| {
        let mut tx = db.begin().await?;
        // An operator may have decided about it meanwhile.
        if waiting::lock(&mut tx, consumer, id).await? {
            match &problem {
                None => waiting::settle(&mut tx, consumer, waiting, Settled::Dead).await?,
                Some(reason) => waiting::put_off(&mut tx, consumer, id, PUT_OFF, reason).await?,
            }
        }
        tx.commit().await
    });
    recorded.await
}
