//! Messages in one transaction with their effects.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction, pool::PoolConnection};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    failure::Failure,
    handler::{AnyHandler, Decoded, HandleError, can_commit},
    message::Message,
    runs::runs,
    steps, telemetry,
};
use crate::{
    DatabaseErrorKind,
    database::is_of_outdated_connection,
    error::chain,
    inbox::{Delivery, Receipt, ReceiveError, receive, waiting},
    span::Span,
};

/// How often one message is tried at once when another transaction was in its way.
const CONFLICT_TRIES: u32 = 3;

/// How long. A lock that was waited for so long may be held for long.
const CONFLICT_TIME: Duration = Duration::from_secs(1);

/// The decision about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its transaction is committed: acknowledge it.
    Done(Receipt),
    /// It will never work: dead-letter it.
    Dead(String),
}

/// Why messages are not decided yet, which is no fault of theirs. No uncommitted effect has happened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undecided {
    #[error("asked to stop")]
    Stopped,
    #[error("the database is unavailable: no connection in time")]
    NoConnection,
    #[error("the database is unavailable: no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    #[error("the database is unavailable: {0}")]
    Database(#[from] sqlx::Error),
    #[error("another process of the consumer is still at work")]
    Overtaken,
}

/// A batch, and the decisions about its messages so far.
pub(crate) struct Batch {
    messages: Vec<Message>,
    outcomes: Vec<Option<Outcome>>,
}

impl Batch {
    /// A batch in which only unreadable messages are decided.
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let unreadable = |message: &Message| message.event.as_ref().err().cloned().map(Outcome::Dead);
        Self { outcomes: messages.iter().map(unreadable).collect(), messages }
    }

    /// Handles the undecided messages in order, in one transaction; if that fails, in two halves, and so on: one
    /// message that fails costs few transactions.
    ///
    /// Stops when the database is unavailable or `stop` is requested, which is no message's fault. It can then be
    /// called again.
    pub(crate) async fn process(
        &mut self,
        shared: &Shared,
        stop: &CancellationToken,
    ) -> Result<(), Undecided> {
        let places = 0..self.messages.len();
        let mut parts: Vec<Vec<usize>> =
            vec![places.filter(|place| self.outcomes[*place].is_none()).collect()];
        while let Some(mut part) = parts.pop() {
            if let [place] = part[..] {
                self.outcomes[place] = Some(alone(shared, &self.messages[place], stop).await?);
                continue;
            }
            let together: Vec<&Message> = part.iter().map(|place| &self.messages[*place]).collect();
            match attempt(shared, &together, shared.config.batch_timeout()).await {
                Ok(receipts) => {
                    for (place, receipt) in part.into_iter().zip(receipts) {
                        self.outcomes[place] = Some(Outcome::Done(receipt));
                    }
                }
                Err(Failed::Undecided(error)) => return Err(error),
                Err(_) if stop.is_cancelled() => return Err(Undecided::Stopped),
                Err(_) => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
            }
        }
        Ok(())
    }

    /// The messages before the first undecided one, with their outcomes.
    pub(crate) fn decided_in_a_row(&self) -> impl Iterator<Item = (&Message, &Outcome)> {
        let pairs = self.messages.iter().zip(&self.outcomes);
        pairs.map_while(|(message, outcome)| Some((message, outcome.as_ref()?)))
    }
}

/// Handles one message in a transaction of its own.
async fn alone(shared: &Shared, message: &Message, stop: &CancellationToken) -> Result<Outcome, Undecided> {
    let timeout = shared.config.message_timeout();
    let (started, mut tries) = (Instant::now(), 1);
    loop {
        let error = match attempt(shared, &[message], timeout).await {
            Ok(receipts) => {
                return Ok(Outcome::Done(receipts.first().copied().unwrap_or(Receipt::Repeated)));
            }
            Err(Failed::Undecided(error)) => return Err(error),
            Err(_) if stop.is_cancelled() => return Err(Undecided::Stopped),
            Err(Failed::TimedOut) => {
                return defer(shared, message, 0, &format!("not handled within {} s", timeout.as_secs()))
                    .await;
            }
            Err(Failed::Handling(error)) => error,
        };
        match error {
            HandleError::Reject(reason) => return Ok(Outcome::Dead(chain(&*reason))),
            error if error.is_of_handler() => return defer(shared, message, 1, &chain(&error)).await,
            HandleError::Database(error)
                if DatabaseErrorKind::of(&error) == DatabaseErrorKind::Conflict
                    && tries < CONFLICT_TRIES
                    && started.elapsed() < CONFLICT_TIME =>
            {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // A lock held for long, or a table or a right that is missing: no fault of the message, nor of other keys.
            error => return defer(shared, message, 0, &chain(&error)).await,
        }
    }
}

/// Stores a message in `inbox_waiting`, with so many failures, to be tried again. If the database refuses the row for
/// good, the message is dead-lettered.
async fn defer(
    shared: &Shared,
    message: &Message,
    failures: u32,
    reason: &str,
) -> Result<Outcome, Undecided> {
    let Some(delivery) = message.delivery(shared) else { return Ok(Outcome::Done(Receipt::Repeated)) };
    let failure = Failure::of(shared, delivery.event, failures, reason);
    let original = message.original(shared);
    let entered = on_connection(shared, shared.config.batch_timeout(), async |db: &mut PgConnection| {
        waiting::enter(db, &shared.consumer, delivery, &original, failure.kept()).await
    });
    match entered.await {
        Ok(()) => {}
        Err(Undecided::Database(error)) if DatabaseErrorKind::of(&error) == DatabaseErrorKind::Statement => {
            return Ok(Outcome::Dead(format!("cannot be kept for another try after {reason}: {error}")));
        }
        Err(error) => return Err(error),
    }
    failure.report();
    shared.retry.failed();
    Ok(Outcome::Done(Receipt::Waiting))
}

/// Runs statements on a connection of the pool. One on which they fail or take too long is not used again.
pub(super) async fn on_connection<T>(
    shared: &Shared,
    limit: Duration,
    statements: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, Undecided> {
    let mut db = acquire(shared).await?;
    let outcome = tokio::time::timeout(limit, statements(&mut db)).await;
    if !matches!(outcome, Ok(Ok(_))) {
        db.close_on_drop();
    }
    Ok(outcome.ok().ok_or(Undecided::NoAnswer(limit))??)
}

/// A connection to the database. Any error here is about the database, not about a message.
pub(super) async fn acquire(shared: &Shared) -> Result<PoolConnection<Postgres>, Undecided> {
    let acquired = tokio::time::timeout(shared.config.connect_timeout(), shared.pool.acquire()).await;
    Ok(acquired.ok().ok_or(Undecided::NoConnection)??)
}

enum Failed {
    /// All undecided messages wait.
    Undecided(Undecided),
    /// No answer in time. For several messages together the time may have been too short.
    TimedOut,
    Handling(HandleError),
}

impl Failed {
    /// The failure, in a word.
    fn kind(&self) -> &'static str {
        match self {
            Self::Undecided(_) => "unavailable",
            Self::TimedOut => "timeout",
            Self::Handling(error) => steps::kind(error),
        }
    }
}

impl From<HandleError> for Failed {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Database(error)
                if DatabaseErrorKind::of_handler(&error) == DatabaseErrorKind::Unavailable =>
            {
                Self::Undecided(error.into())
            }
            error => Self::Handling(error),
        }
    }
}

impl From<ReceiveError> for Failed {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Database(error) => error.into(),
            ReceiveError::Overtaken => Self::Undecided(Undecided::Overtaken),
            ReceiveError::Foreign => Self::Handling(HandleError::reject(error)),
        }
    }
}

/// Of the transaction or the inbox, and not of a handler.
impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        use DatabaseErrorKind::{NotPrepared, Unavailable};
        match DatabaseErrorKind::of(&error) {
            // Every message would meet the same error.
            Unavailable | NotPrepared => Self::Undecided(error.into()),
            _ => Self::Handling(HandleError::Database(error)),
        }
    }
}

async fn attempt(shared: &Shared, messages: &[&Message], timeout: Duration) -> Result<Vec<Receipt>, Failed> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let mut db = acquire(shared).await.map_err(Failed::Undecided)?;
    let mut spans = steps::of_batch(shared, messages);
    let outcome = tokio::time::timeout(timeout, transaction(&mut db, shared, messages, &spans)).await;
    let outcome = outcome.unwrap_or(Err(Failed::TimedOut));
    match &outcome {
        // A connection in the middle of a statement must not return to the pool.
        Err(Failed::TimedOut) => db.close_on_drop(),
        Err(
            Failed::Handling(HandleError::Database(error)) | Failed::Undecided(Undecided::Database(error)),
        ) if is_of_outdated_connection(error) => {
            db.close_on_drop();
            close_idle(&shared.pool);
        }
        _ => {}
    }
    if let Err(error) = &outcome {
        for span in &mut spans {
            span.fail(error.kind());
        }
    }
    outcome
}

/// Closes the connections that nobody uses: those of a pool that does not ask [`is_outdated`](crate::is_outdated) are of no
/// use either.
fn close_idle(pool: &PgPool) {
    for _ in 0..pool.num_idle() {
        let Some(mut idle) = pool.try_acquire() else { return };
        idle.close_on_drop();
    }
}

/// The same, and the one that is on its way back to the pool.
pub(super) async fn close_returned(shared: &Shared) {
    if let Ok(mut db) = acquire(shared).await {
        db.close_on_drop();
    }
    close_idle(&shared.pool);
}

async fn transaction(
    db: &mut PgConnection,
    shared: &Shared,
    messages: &[&Message],
    spans: &[Span],
) -> Result<Vec<Receipt>, Failed> {
    crate::crash_point!("consumer.after_delivery");
    let started = Instant::now();
    let mut tx = db.begin().await?;
    // What cannot be read was decided about before: each message here has a delivery.
    let deliveries: Vec<_> = messages.iter().filter_map(|message| message.delivery(shared)).collect();
    let receipts = receive(&mut tx, &shared.consumer, shared.config.retention(), &deliveries).await?;
    let behind = || {
        messages.iter().zip(&deliveries).zip(&receipts).filter(|(_, receipt)| **receipt == Receipt::Waiting)
    };
    let waiting: Vec<Delivery<'_>> = behind().map(|((_, delivery), _)| *delivery).collect();
    if !waiting.is_empty() {
        let originals = behind().map(|((message, _), _)| message.original(shared)).collect();
        waiting::join(&mut tx, &shared.consumer, &waiting, originals).await?;
    }
    crate::crash_point!("consumer.after_inbox");

    let first =
        messages.iter().zip(&receipts).zip(spans).filter_map(|((message, receipt), span)| match receipt {
            Receipt::First { is_newest } => {
                Some(((*message, *is_newest, span), message.event.as_ref().ok()?))
            }
            _ => None,
        });
    for run in runs(first) {
        let Some(handler) = shared.handlers.get(run.event_type) else { continue };
        let events = run.messages.iter();
        let events = events
            .filter_map(|(message, is_newest, span)| message.decode(&shared.handlers, *is_newest, span));
        handle(&**handler, &mut tx, events.collect()).await?;
    }
    can_commit(&mut tx).await?;
    crate::crash_point!("consumer.before_commit");
    tx.commit().await?;
    crate::crash_point!("consumer.after_commit");
    let handled =
        deliveries.iter().zip(&receipts).filter(|(_, receipt)| matches!(receipt, Receipt::First { .. }));
    let created = handled.map(|(delivery, _)| delivery.event.occurred_at);
    telemetry::committed(&shared.consumer, started, created);
    Ok(receipts)
}

/// Calls a handler. A panic in it must not end the consumer.
pub(super) async fn handle(
    handler: &dyn AnyHandler,
    tx: &mut Transaction<'_, Postgres>,
    events: Vec<Decoded>,
) -> Result<(), HandleError> {
    let outcome = AssertUnwindSafe(handler.handle(tx, events)).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(HandleError::retry("the handler panicked")))
}
