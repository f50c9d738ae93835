//! Messages, in one transaction with their effects.

use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool};

use super::{
    handler::HandleError,
    message::{Handlers, Message},
    trouble::{Trouble, trouble},
};
use crate::inbox::receive::{Receipt, receive};

/// How long a batch, or one message of it, may take. Beyond that the database counts as away: a cut
/// connection says nothing for ever.
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

/// Handles messages, in order, in one transaction; where that fails, one by one.
pub(crate) async fn process(
    pool: &PgPool,
    consumer: &str,
    handlers: &Handlers,
    messages: &[Message],
) -> Result<Vec<Verdict>, DatabaseAway> {
    let readable: Vec<&Message> = messages.iter().filter(|message| message.event.is_ok()).collect();
    let mut receipts = match attempt(pool, consumer, handlers, &readable).await {
        Ok(receipts) => receipts.into_iter().map(Verdict::Done).collect(),
        Err(Failed::Away(away)) => return Err(away),
        Err(Failed::Handling(_)) => {
            let mut verdicts = Vec::with_capacity(readable.len());
            for message in readable {
                verdicts.push(alone(pool, consumer, handlers, message).await?);
            }
            verdicts
        }
    }
    .into_iter();
    let unread = || Verdict::Dead("not handled".to_owned());
    Ok(messages
        .iter()
        .map(|message| match &message.event {
            Ok(_) => receipts.next().unwrap_or_else(unread),
            Err(reason) => Verdict::Dead(reason.clone()),
        })
        .collect())
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
            Err(Failed::Handling(error)) => error,
        };
        match error {
            HandleError::Database(error)
                if trouble(&error) == Trouble::Conflict && tries < CONFLICT_TRIES =>
            {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            HandleError::Reject(reason) => return Ok(Verdict::Dead(reason)),
            error => return Ok(Verdict::Retry(error.to_string())),
        }
    }
}

enum Failed {
    Away(DatabaseAway),
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
    let silent =
        |limit: Duration| Failed::Away(DatabaseAway(format!("no answer within {} s", limit.as_secs())));
    // Whatever the code of an error here, it is about the database and not about a message.
    let away = |error: sqlx::Error| Failed::Away(DatabaseAway(error.to_string()));
    let acquired = tokio::time::timeout(CONNECT_DEADLINE, pool.acquire()).await;
    let mut db = acquired.ok().ok_or_else(|| silent(CONNECT_DEADLINE))?.map_err(away)?;
    let outcome = tokio::time::timeout(DEADLINE, transaction(&mut db, consumer, handlers, messages)).await;
    // A connection that was left in the middle of something must not go back to the pool.
    outcome.unwrap_or_else(|_| {
        db.close_on_drop();
        Err(silent(DEADLINE))
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
        handler.handle(&mut tx, events).await?;
    }
    crate::crash_point!("consumer.before_commit");
    tx.commit().await?;
    crate::crash_point!("consumer.after_commit");
    Ok(receipts)
}
