//! What becomes of an event that had no effect when it was tried again.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{
    Shared,
    batch::{Undecided, acquire},
    failure::{Failure, NOT_PREPARED, PUT_OFF, kept},
    forward::Forwarder,
    handler::HandleError,
    retry::soon,
};
use crate::{
    DatabaseErrorKind,
    error::chain,
    inbox::waiting::{self, Next, Settled, Waiting},
};

/// For how long nobody else tries an event that is being sent to the dead-letter queue: longer than that can take.
const DEAD_LETTERING: Duration = Duration::from_secs(30);

/// Records why an event had no effect; returns the failure if it counts as one.
pub(super) async fn refuse<'a>(
    tx: &mut PgConnection,
    shared: &'a Shared,
    waiting: &'a Waiting,
    error: &HandleError,
) -> Result<Option<Failure<'a>>, sqlx::Error> {
    let consumer = shared.consumer.as_str();
    match error {
        HandleError::Reject(reason) => {
            let reason = kept(&chain(&**reason));
            waiting::put_off(tx, consumer, waiting.event.id, DEAD_LETTERING, &reason).await?;
            Ok(None)
        }
        HandleError::Database(cause) if !error.is_of_handler() => {
            // No failure. Where the database is gone this fails, and nothing is changed.
            let pause = match DatabaseErrorKind::of(cause) {
                DatabaseErrorKind::NotPrepared => NOT_PREPARED,
                _ => PUT_OFF,
            };
            waiting::put_off(tx, consumer, waiting.event.id, pause, &kept(&chain(cause))).await?;
            Ok(None)
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
            Ok(Some(failure))
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
    let mut db = acquire(shared).await?;
    let recorded = soon(async {
        let mut tx = db.begin().await?;
        // Its lock went with the connection: another process may have settled it by now.
        if !waiting::lock(&mut tx, &shared.consumer, waiting.event.id).await? {
            return Ok(false);
        }
        let failure = refuse(&mut tx, shared, waiting, error).await?;
        tx.commit().await?;
        if let Some(failure) = failure {
            failure.report();
        }
        Ok(true)
    });
    let recorded = recorded.await;
    if recorded.is_err() {
        db.close_on_drop();
    }
    drop(db);
    if recorded? { dead_letter(shared, waiting, error).await } else { Ok(()) }
}

/// Sends a rejected event, which was put off, to the dead-letter queue, and takes it out of those that wait. No transaction
/// is open while the broker is asked: it may take longer than the server lets one idle.
pub(super) async fn dead_letter(
    shared: &Shared,
    waiting: &Waiting,
    error: &HandleError,
) -> Result<(), Undecided> {
    let HandleError::Reject(reason) = error else { return Ok(()) };
    let (consumer, id) = (shared.consumer.as_str(), waiting.event.id);
    let mut forwarder = Forwarder::new(&shared.broker, &shared.topology, consumer);
    let outcome = forwarder.dead_letter_event(waiting, &chain(&**reason)).await;
    forwarder.close().await;
    let mut db = acquire(shared).await?;
    let recorded = soon(async {
        let mut tx = db.begin().await?;
        match &outcome {
            Ok(()) if waiting::lock(&mut tx, consumer, id).await? => {
                waiting::settle(&mut tx, consumer, waiting, Settled::Dead).await?;
            }
            Ok(()) => {}
            Err(error) => {
                let reason = format!("cannot be dead-lettered now: {}", chain(error));
                tracing::debug!(consumer, reason, "will try again");
                waiting::put_off(&mut tx, consumer, id, PUT_OFF, &kept(&reason)).await?;
            }
        }
        tx.commit().await
    });
    let recorded = recorded.await;
    if recorded.is_err() {
        db.close_on_drop();
    }
    recorded
}
