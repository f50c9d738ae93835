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
    Shared,
    batch::{Undecided, acquire, close_returned, handle, on_connection},
    failure::{PUT_OFF, SOON},
    handler::{HandleError, can_commit},
    refuse::{Refused, dead_letter, refuse, refuse_anew},
    steps,
};
use crate::{
    DatabaseErrorKind,
    database::is_of_outdated_connection,
    error::chain,
    inbox::{
        self, Order,
        waiting::{self, Settled, Waiting},
    },
    span::Span,
};

/// How often the database is asked what waits. An operator or another process may have changed that.
const POLL: Duration = Duration::from_secs(2);

/// How often heads without a time for their next try are looked for, at most and at least.
const START_HEADS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The tries after which what waits is counted again.
const TRIES_BETWEEN_COUNTS: usize = 100;

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

/// Tries what waits until `stop`. A try that has begun is finished.
pub(super) async fn retry(shared: &Shared, stop: &CancellationToken) {
    let of_handlers = shared.handlers.iter();
    let latest_wins = of_handlers.filter(|(_, handler)| handler.order() == Order::LatestWins);
    let latest_wins: Vec<&str> = latest_wins.map(|(event_type, _)| *event_type).collect();
    let mut heads_started = None;
    let mut is_noted = false;
    while !stop.is_cancelled() {
        if !is_noted && shared.health.has_subscribed() {
            let noted = soon(inbox::note_subscribed(&shared.pool, &shared.consumer)).await;
            is_noted = succeeded(shared, noted).await.is_some();
        }
        let outcome = pass(shared, stop, &latest_wins, &mut heads_started).await;
        let pause = succeeded(shared, outcome).await.unwrap_or(POLL);
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.retry.notify.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What came of it; `None` if it failed, which is tried again. Connections that are of no use are closed before that.
async fn succeeded<T>(shared: &Shared, outcome: Result<T, Undecided>) -> Option<T> {
    let error = match outcome {
        Ok(done) => return Some(done),
        Err(error) => error,
    };
    tracing::debug!(consumer = %shared.consumer, reason = %error, "the inbox cannot be worked on; will try again");
    if matches!(&error, Undecided::Database(error) if is_of_outdated_connection(error)) {
        close_returned(shared).await;
    }
    None
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
    use DatabaseErrorKind::{NotPrepared, Unavailable};
    let mut db = acquire(shared).await?;
    let timeout = shared.config.message_timeout();
    let mut tried = Tried::default();
    let outcome = tokio::time::timeout(timeout, attempt(&mut db, shared, &mut tried)).await;
    // A connection in the middle of a statement must not return to the pool.
    if !matches!(outcome, Ok(Ok(()))) || tried.spoils_connection {
        db.close_on_drop();
    }
    drop(db);
    match (outcome, tried.waiting) {
        (Ok(Ok(())), None) => Ok(false),
        (Ok(Ok(())), Some(waiting)) => {
            if let Some(reason) = tried.rejected {
                dead_letter(shared, &waiting, &reason).await?;
            }
            Ok(true)
        }
        (Ok(Err(error)), Some(waiting)) => {
            match (tried.error, DatabaseErrorKind::of(&error)) {
                (Some(error), _) => refuse_anew(shared, &waiting, &error).await?,
                (None, Unavailable | NotPrepared) => return Err(error.into()),
                (None, _) => put_off(shared, waiting.event.id, PUT_OFF, &chain(&error)).await?,
            }
            Ok(true)
        }
        (Ok(Err(error)), None) => Err(error.into()),
        (Err(_), Some(waiting)) => {
            let reason = format!("not handled within {} s", timeout.as_secs());
            put_off(shared, waiting.event.id, timeout, &reason).await.map(|()| true)
        }
        (Err(_), None) => Err(Undecided::NoAnswer(timeout)),
    }
}

/// Puts an event off whose transaction was broken off: it would be the first again, and others would never be tried. While
/// that transaction is not gone yet it cannot be, and nobody else takes it.
async fn put_off(shared: &Shared, event_id: Uuid, by: Duration, reason: &str) -> Result<(), Undecided> {
    let consumer = shared.consumer.as_str();
    tracing::warn!(consumer, event.id = %event_id, reason, "the try of an event was broken off; will try again");
    let put_off = on_connection(shared, PUT_OFF, async |db: &mut PgConnection| {
        waiting::put_off(db, consumer, event_id, by, reason).await
    });
    match put_off.await {
        Err(Undecided::NoAnswer(_)) => Ok(()),
        Err(Undecided::Database(error)) if DatabaseErrorKind::of(&error) == DatabaseErrorKind::Conflict => {
            Ok(())
        }
        outcome => outcome,
    }
}

/// The event that is tried, known also if it takes too long, and whether the connection must not be used again.
#[derive(Default)]
struct Tried {
    waiting: Option<Waiting>,
    /// Why it is to be dead-lettered.
    rejected: Option<String>,
    /// Of the handler, where the connection did not outlast it.
    error: Option<HandleError>,
    spoils_connection: bool,
}

async fn attempt(db: &mut PgConnection, shared: &Shared, tried: &mut Tried) -> Result<(), sqlx::Error> {
    let consumer = shared.consumer.as_str();
    let mut tx = db.begin().await?;
    let Some(waiting) = waiting::take(&mut tx, consumer).await? else {
        return tx.commit().await;
    };
    let waiting = tried.waiting.insert(waiting);
    crate::crash_point!("waiting.before_effect");
    // A savepoint: a failure leaves the lock on the event, and is recorded under it.
    let mut effect = Connection::begin(&mut *tx).await?;
    let mut span = steps::handling(shared, &waiting.event, &waiting.event.trace);
    let outcome = apply(&mut effect, shared, waiting, &span).await;
    let mut refused = None;
    let is_applied = matches!(outcome, Ok(Settled::Applied));
    match outcome {
        Ok(settled) => {
            effect.commit().await?;
            waiting::settle(&mut tx, consumer, waiting, settled).await?;
            crate::crash_point!("waiting.after_effect");
        }
        Err(error) => {
            span.fail(steps::kind(&error));
            tried.spoils_connection =
                matches!(&error, HandleError::Database(error) if is_of_outdated_connection(error));
            if let Err(gone) = effect.rollback().await {
                tried.error = error.is_of_handler().then_some(error);
                return Err(gone);
            }
            refused = Some(refuse(&mut tx, shared, waiting, &error).await?);
        }
    }
    tx.commit().await?;
    tried.rejected = refused.and_then(Refused::committed);
    if is_applied {
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
        // Another process of the subscriber, of a newer release, may have one.
        return Err(HandleError::retry(format!("no handler for events of type {:?} here", event.event_type)));
    };
    let is_newest = waiting::raise_guard(effect, &shared.consumer, event).await?;
    if handler.order() == Order::LatestWins && !is_newest {
        return Ok(Settled::Stale);
    }
    let decoded =
        handler.decode(event, waiting.redelivered, is_newest, step.context()).map_err(HandleError::reject)?;
    handle(&**handler, effect, vec![decoded]).await?;
    can_commit(effect).await?;
    Ok(Settled::Applied)
}
