//! Tries events that failed again, each in its own transaction, also while the broker is away.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    GiveUp, Shared,
    batch::{Undecided, acquire, close_returned, handle},
    forward::Forwarder,
    handler::HandleError,
    steps,
};
use crate::{
    DatabaseErrorKind,
    database::has_outdated_statements,
    envelope::IncomingEvent,
    error::chain,
    inbox::{
        self, Order,
        waiting::{self, Next, Settled, Waiting},
    },
    span::Span,
};

/// How often the database is asked what waits. An operator or another process may have changed that.
const POLL: Duration = Duration::from_secs(2);

/// How often heads without a time for their next try are looked for, at most and at least.
const START_HEADS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The next try of an event that something else stood in the way of.
const PUT_OFF: Duration = Duration::from_secs(2);

/// How long a statement about all that waits may take.
const SOON: Duration = Duration::from_mins(1);

/// The tries after which what waits is counted again.
const TRIES_BETWEEN_COUNTS: usize = 100;

/// The pause before the next try of an event that has failed so often: 0.5 s, doubling to 60 s.
fn back_off(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    Duration::from_millis(500).saturating_mul(doubled).min(Duration::from_mins(1))
}

/// Wakes the task of this file.
#[derive(Debug, Default)]
pub(super) struct Wake {
    notify: Notify,
    has_joined: AtomicBool,
}

impl Wake {
    /// An event failed and waits.
    pub(super) fn failed(&self) {
        self.notify.notify_one();
    }

    /// An event waits behind others of its key, the last of which may have been settled in the same moment.
    pub(super) fn joined(&self) {
        self.has_joined.store(true, Ordering::Release);
        self.notify.notify_one();
    }
}

/// A failure of an event, and what follows.
pub(super) struct Failure<'a> {
    consumer: &'a str,
    event: &'a IncomingEvent,
    failures: u32,
    reason: String,
    next: Next,
}

impl<'a> Failure<'a> {
    /// The `failures`-th failure of an event; the zeroth is none, but something in its way.
    pub(super) fn of(shared: &'a Shared, event: &'a IncomingEvent, failures: u32, reason: &str) -> Self {
        let give_up = shared.handlers.get(event.event_type.as_str()).map(|handler| handler.give_up());
        let next = match give_up.unwrap_or_default() {
            _ if failures == 0 => Next::TryAgain(PUT_OFF),
            _ if failures < shared.config.max_attempts => Next::TryAgain(back_off(failures)),
            GiveUp::Block => Next::Block,
            GiveUp::Skip => Next::Skip,
        };
        let reason = crate::rabbitmq::headers::shortened(reason).replace('\0', "");
        Self { consumer: &shared.consumer, event, failures, reason, next }
    }

    /// It, as the inbox keeps it.
    pub(super) fn kept(&self) -> waiting::Failed<'_> {
        waiting::Failed { failures: self.failures, reason: &self.reason, next: self.next }
    }

    /// Logs and counts it, once it is committed.
    pub(super) fn report(&self) {
        let Self { consumer, event, failures, reason, next } = self;
        let (id, key, reason) = (event.id, event.key.as_str(), reason.as_str());
        if *failures == 0 {
            tracing::warn!(consumer, event.id = %id, key, reason, "something is in the way of an event, which waits for another try");
            return;
        }
        metrics::counter!("inbox_failures_total", "consumer" => (*consumer).to_owned()).increment(1);
        match next {
            Next::TryAgain(after) => {
                let after_s = after.as_secs_f64();
                tracing::warn!(consumer, event.id = %id, key, failures, after_s, reason, "an event failed and waits for another try");
            }
            Next::Block => {
                tracing::error!(consumer, event.id = %id, key, failures, reason, "a key is blocked: its event failed for the last time, requeue or skip it");
            }
            Next::Skip => {
                tracing::warn!(consumer, event.id = %id, key, failures, reason, "an event failed for the last time and is skipped");
            }
        }
    }
}

/// Tries what waits until `stop`. A try that has begun is finished.
pub(super) async fn retry(shared: &Shared, stop: &CancellationToken) {
    let of_handlers = shared.handlers.iter();
    let latest_wins = of_handlers.filter(|(_, handler)| handler.order() == Order::LatestWins);
    let latest_wins: Vec<&str> = latest_wins.map(|(event_type, _)| *event_type).collect();
    let mut heads_started = None;
    while !stop.is_cancelled() {
        let outcome = pass(shared, stop, &latest_wins, &mut heads_started).await;
        if let Err(error) = &outcome {
            tracing::debug!(consumer = %shared.consumer, reason = %error, "cannot try what waits; will try again");
            if matches!(error, Undecided::Database(error) if has_outdated_statements(error)) {
                close_returned(shared).await;
            }
        }
        let pause = outcome.unwrap_or(POLL);
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.retry.notify.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Tries all events that are due, and returns when to look again.
async fn pass(
    shared: &Shared,
    stop: &CancellationToken,
    latest_wins: &[&str],
    heads_started: &mut Option<Instant>,
) -> Result<Duration, Undecided> {
    let (pool, consumer) = (&shared.pool, shared.consumer.as_str());
    let mut longest = POLL;
    let age = heads_started.map_or(Duration::MAX, |started| started.elapsed());
    let has_joined = shared.retry.has_joined.load(Ordering::Acquire);
    if age >= if has_joined { START_HEADS.0 } else { START_HEADS.1 } {
        shared.retry.has_joined.store(false, Ordering::Release);
        soon(waiting::start_heads(pool, consumer)).await?;
        *heads_started = Some(Instant::now());
    } else if has_joined {
        longest = START_HEADS.0;
    }
    while !stop.is_cancelled() {
        let summary = soon(inbox::summary(pool, consumer)).await?;
        shared.health.set_waiting(summary);
        if summary.events > 0 && soon(waiting::drop_stale(pool, consumer, latest_wins)).await? > 0 {
            continue;
        }
        let Some(next_try) = summary.next_try else { return Ok(longest) };
        if next_try > 0.0 {
            return Ok(Duration::try_from_secs_f64(next_try).map_or(longest, |due| due.min(longest)));
        }
        let mut tries = 0;
        while tries < TRIES_BETWEEN_COUNTS && !stop.is_cancelled() && try_first(shared).await? {
            tries += 1;
        }
        if tries == 0 {
            // Another process has it.
            return Ok(longest.min(Duration::from_millis(200)));
        }
    }
    Ok(longest)
}

/// A statement that takes too long counts as unavailable.
async fn soon<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Undecided> {
    let outcome = tokio::time::timeout(SOON, statement).await;
    Ok(outcome.ok().ok_or(Undecided::NoAnswer(SOON))??)
}

/// Tries the event that is due first. Returns `false` if there is none.
async fn try_first(shared: &Shared) -> Result<bool, Undecided> {
    let mut db = acquire(shared).await?;
    let timeout = shared.config.message_timeout();
    let mut tried = Tried::default();
    let outcome = tokio::time::timeout(timeout, attempt(&mut db, shared, &mut tried)).await;
    // A connection in the middle of a statement must not return to the pool.
    if !matches!(outcome, Ok(Ok(()))) || tried.spoils_connection {
        db.close_on_drop();
    }
    drop(db);
    match (outcome, tried.event) {
        (Ok(outcome), event) => Ok(outcome.map(|()| event.is_some())?),
        (Err(_), Some(event)) => put_off_late(shared, event, timeout).await.map(|()| true),
        (Err(_), None) => Err(Undecided::NoAnswer(timeout)),
    }
}

/// Puts an event off that was not handled in time: it would be the first again, and others would never be tried. While its
/// transaction is not gone yet it cannot be, and nobody else takes it.
async fn put_off_late(shared: &Shared, event_id: Uuid, by: Duration) -> Result<(), Undecided> {
    let consumer = shared.consumer.as_str();
    tracing::warn!(consumer, event.id = %event_id, timeout_s = by.as_secs(), "an event was not handled in time; will try again");
    let mut db = acquire(shared).await?;
    let outcome = tokio::time::timeout(PUT_OFF, waiting::put_off(&mut db, consumer, event_id, by)).await;
    if !matches!(outcome, Ok(Ok(()))) {
        db.close_on_drop();
    }
    match outcome {
        Ok(Err(error)) if DatabaseErrorKind::of(&error) != DatabaseErrorKind::Conflict => Err(error.into()),
        _ => Ok(()),
    }
}

/// The event that is tried, known also if it takes too long, and whether the connection must not be used again.
#[derive(Debug, Default)]
struct Tried {
    event: Option<Uuid>,
    spoils_connection: bool,
}

async fn attempt(db: &mut PgConnection, shared: &Shared, tried: &mut Tried) -> Result<(), sqlx::Error> {
    let consumer = shared.consumer.as_str();
    let mut tx = db.begin().await?;
    let Some(waiting) = waiting::take(&mut tx, consumer).await? else {
        return tx.commit().await;
    };
    tried.event = Some(waiting.event.id);
    crate::crash_point!("waiting.before_effect");
    // A savepoint: a failure leaves the lock on the event, and is recorded under it.
    let mut effect = Connection::begin(&mut *tx).await?;
    let mut span = steps::handling(shared, &waiting.event, &waiting.event.trace);
    let outcome = apply(&mut effect, shared, &waiting, &span).await;
    let mut failure = None;
    match &outcome {
        Ok(settled) => {
            effect.commit().await?;
            waiting::settle(&mut tx, consumer, &waiting, *settled).await?;
            crate::crash_point!("waiting.after_effect");
        }
        Err(error) => {
            span.fail(steps::kind(error));
            tried.spoils_connection =
                matches!(error, HandleError::Database(error) if has_outdated_statements(error));
            effect.rollback().await?;
            failure = refuse(&mut tx, shared, &waiting, error).await?;
        }
    }
    tx.commit().await?;
    if let Some(failure) = failure {
        failure.report();
    }
    if matches!(outcome, Ok(Settled::Applied)) {
        (shared.after_commit)();
    }
    Ok(())
}

/// Has the event's effect, in the savepoint.
async fn apply(
    effect: &mut sqlx::Transaction<'_, sqlx::Postgres>,
    shared: &Shared,
    waiting: &Waiting,
    step: &Span,
) -> Result<Settled<'static>, HandleError> {
    let event = &waiting.event;
    let Some(handler) = shared.handlers.get(event.event_type.as_str()) else {
        return Err(HandleError::reject(format!("no handler for events of type {:?}", event.event_type)));
    };
    let is_newest = waiting::raise_guard(effect, &shared.consumer, event).await?;
    if handler.order() == Order::LatestWins && !is_newest {
        return Ok(Settled::Stale);
    }
    let decoded =
        handler.decode(event, waiting.redelivered, is_newest, step.context()).map_err(HandleError::reject)?;
    handle(&**handler, effect, vec![decoded]).await?;
    Ok(Settled::Applied)
}

/// Records why an event had no effect; returns the failure if it counts as one.
async fn refuse<'a>(
    tx: &mut PgConnection,
    shared: &'a Shared,
    waiting: &'a Waiting,
    error: &HandleError,
) -> Result<Option<Failure<'a>>, sqlx::Error> {
    let consumer = shared.consumer.as_str();
    match error {
        HandleError::Reject(reason) => {
            let mut forwarder = Forwarder::new(&shared.broker, &shared.topology, consumer);
            let outcome = forwarder.dead_letter_event(waiting, &chain(&**reason)).await;
            forwarder.close().await;
            match outcome {
                Ok(()) => waiting::settle(tx, consumer, waiting, Settled::Dead).await?,
                Err(error) => {
                    tracing::debug!(
                        consumer,
                        error = chain(&error),
                        "cannot dead-letter an event; will try again"
                    );
                    waiting::put_off(tx, consumer, waiting.event.id, PUT_OFF).await?;
                }
            }
            Ok(None)
        }
        HandleError::Database(error) if DatabaseErrorKind::of(error) != DatabaseErrorKind::Statement => {
            // Nobody's failure. Where the database is gone this fails, and nothing is changed.
            waiting::put_off(tx, consumer, waiting.event.id, PUT_OFF).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_half_a_second_to_a_minute() {
        let pauses: Vec<f64> = (1..=10).map(|failures| back_off(failures).as_secs_f64()).collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(back_off(u32::MAX), Duration::from_mins(1));
    }
}
