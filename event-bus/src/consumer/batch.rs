//! Messages, in one transaction with their effects.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use sqlx::{Connection, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::{
    handler::HandleError,
    message::{Handlers, Message},
    trouble::{Trouble, trouble},
};
use crate::inbox::receive::{Receipt, receive};

/// How long a batch, or one message of it, may take; a cut connection says nothing for ever. A batch that
/// takes longer is tried one by one; where one message does, the database counts as away.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection to the database may take. Shorter than the pool's own patience may be: while
/// it waits, messages are kept from other consumers.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How often one message is tried at once when another transaction was in its way.
const CONFLICT_TRIES: u32 = 3;

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its transaction is committed: acknowledge it.
    Done(Receipt),
    /// It failed, and may work later: send it through a retry queue.
    Retry(String),
    /// It will never work: send it to the dead-letter queue.
    Dead(String),
}

/// The database is away; nothing that was not committed has happened.
#[derive(Debug, thiserror::Error)]
#[error("the database is away: {0}")]
pub(crate) struct DatabaseAway(pub(crate) String);

/// A batch, and what has been decided about its messages so far.
pub(crate) struct Batch {
    messages: Vec<Message>,
    verdicts: Vec<Option<Verdict>>,
}

impl Batch {
    /// A batch with nothing decided but about what cannot be read.
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let unreadable = |message: &Message| message.event.as_ref().err().cloned().map(Verdict::Dead);
        Self { verdicts: messages.iter().map(unreadable).collect(), messages }
    }

    /// Handles what is undecided, in order, in one transaction; where that fails, one by one. Decides
    /// about everything, or stops where it is when the database goes away or `stop` is asked for: to be
    /// called again then, since no message is to blame.
    pub(crate) async fn process(
        &mut self,
        pool: &PgPool,
        consumer: &str,
        handlers: &Handlers,
        stop: &CancellationToken,
    ) -> Result<(), DatabaseAway> {
        let pairs = self.messages.iter().zip(&mut self.verdicts);
        let undecided: Vec<(&Message, &mut Option<Verdict>)> =
            pairs.filter(|(_, verdict)| verdict.is_none()).collect();
        let together: Vec<&Message> = undecided.iter().map(|(message, _)| *message).collect();
        let receipts = match attempt(pool, consumer, handlers, &together).await {
            Ok(receipts) => receipts,
            Err(Failed::Away(away)) => return Err(away),
            Err(Failed::Handling(_) | Failed::Silent) => Vec::new(),
        };
        let mut receipts = receipts.into_iter();
        for (message, verdict) in undecided {
            *verdict = Some(match receipts.next() {
                Some(receipt) => Verdict::Done(receipt),
                None if stop.is_cancelled() => return Err(DatabaseAway("asked to stop".to_owned())),
                None => alone(pool, consumer, handlers, message).await?,
            });
        }
        Ok(())
    }

    /// The messages up to the first that nothing was decided about, with the decisions.
    pub(crate) fn decided_in_a_row(&self) -> impl Iterator<Item = (&Message, &Verdict)> {
        let pairs = self.messages.iter().zip(&self.verdicts);
        pairs.map_while(|(message, verdict)| Some((message, verdict.as_ref()?)))
    }
}

async fn alone(
    pool: &PgPool,
    consumer: &str,
    handlers: &Handlers,
    message: &Message,
) -> Result<Verdict, DatabaseAway> {
    let mut tries = 1;
    loop {
        let error = match attempt(pool, consumer, handlers, &[message]).await {
            Ok(receipts) => return Ok(Verdict::Done(receipts.first().copied().unwrap_or(Receipt::Repeated))),
            Err(Failed::Away(away)) => return Err(away),
            Err(Failed::Silent) => {
                return Err(DatabaseAway(format!("no answer within {} s", DEADLINE.as_secs())));
            }
            Err(Failed::Handling(error)) => error,
        };
        match error {
            HandleError::Database(error) if trouble(&error) == Trouble::Conflict => {
                // Still in the way after several tries: a lock that somebody holds for long, say. That is
                // the database's state, not this message's fault.
                if tries == CONFLICT_TRIES {
                    return Err(DatabaseAway(error.to_string()));
                }
                tries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            HandleError::Reject(reason) => return Ok(Verdict::Dead(reason)),
            error => return Ok(Verdict::Retry(error.to_string())),
        }
    }
}

enum Failed {
    /// The database is away: all that is undecided waits.
    Away(DatabaseAway),
    /// There was no answer in time. For several messages together that may have been too much.
    Silent,
    Handling(HandleError),
}

impl From<HandleError> for Failed {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Database(error) if trouble(&error) == Trouble::Away => {
                Self::Away(DatabaseAway(error.to_string()))
            }
            error => Self::Handling(error),
        }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        HandleError::Database(error).into()
    }
}

async fn attempt(
    pool: &PgPool,
    consumer: &str,
    handlers: &Handlers,
    messages: &[&Message],
) -> Result<Vec<Receipt>, Failed> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    // Whatever the code of an error here, it is about the database and not about a message.
    let away = |problem: String| Failed::Away(DatabaseAway(problem));
    let acquired = tokio::time::timeout(CONNECT_DEADLINE, pool.acquire()).await;
    let acquired = acquired.ok().ok_or_else(|| away("no connection in time".to_owned()))?;
    let mut db = acquired.map_err(|error| away(error.to_string()))?;
    let outcome = tokio::time::timeout(DEADLINE, transaction(&mut db, consumer, handlers, messages)).await;
    // A connection that was left in the middle of something must not go back to the pool.
    outcome.unwrap_or_else(|_| {
        db.close_on_drop();
        Err(Failed::Silent)
    })
}

async fn transaction(
    db: &mut PgConnection,
    consumer: &str,
    handlers: &Handlers,
    messages: &[&Message],
) -> Result<Vec<Receipt>, Failed> {
    crate::crash_point!("consumer.after_delivery");
    let mut tx = db.begin().await?;
    let deliveries: Vec<_> = messages
        .iter()
        .filter_map(|message| Some((message.event.as_ref().ok()?, message.delivery.redelivered)))
        .collect();
    let receipts = receive(&mut tx, consumer, &deliveries).await?;
    crate::crash_point!("consumer.after_inbox");

    // Neighbours of one type go to their handler together, and the order of the types is kept.
    let event_type = |message: &Message| message.event.as_ref().ok().map(|event| event.event_type.clone());
    let first: Vec<&Message> = messages
        .iter()
        .zip(&receipts)
        .filter(|(_, receipt)| **receipt == Receipt::First)
        .map(|(message, _)| *message)
        .collect();
    for run in first.chunk_by(|one, next| event_type(one) == event_type(next)) {
        let handler =
            run.first().and_then(|message| event_type(message)).and_then(|name| handlers.get(&*name));
        let Some(handler) = handler else { continue };
        let events = run.iter().filter_map(|message| message.decode(handlers)).collect();
        // A handler that panics must not take the consumer with it.
        let outcome = AssertUnwindSafe(handler.handle(&mut tx, events)).catch_unwind().await;
        outcome.unwrap_or_else(|_| Err(HandleError::Retry("the handler panicked".to_owned())))?;
    }
    crate::crash_point!("consumer.before_commit");
    tx.commit().await?;
    crate::crash_point!("consumer.after_commit");
    Ok(receipts)
}
