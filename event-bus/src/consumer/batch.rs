//! Messages, in one transaction with their effects.

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use sqlx::{Connection, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::{
    handler::HandleError,
    message::{Handlers, Message},
};
use crate::{
    DatabaseErrorKind,
    envelope::IncomingEvent,
    inbox::receive::{Receipt, receive},
};

/// How long a batch may take; a cut connection says nothing for ever. One that takes longer is tried one
/// by one.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long one message may take, such as a change that reaches a million rows; after that the database
/// counts as away.
const DEADLINE_ALONE: Duration = Duration::from_secs(330);

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
        let receipts = match attempt(pool, consumer, handlers, &together, DEADLINE).await {
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
        let error = match attempt(pool, consumer, handlers, &[message], DEADLINE_ALONE).await {
            Ok(receipts) => return Ok(Verdict::Done(receipts.first().copied().unwrap_or(Receipt::Repeated))),
            Err(Failed::Away(away)) => return Err(away),
            Err(Failed::Silent) => {
                return Err(DatabaseAway(format!("no answer within {} s", DEADLINE_ALONE.as_secs())));
            }
            Err(Failed::Handling(error)) => error,
        };
        match error {
            HandleError::Database(error) if DatabaseErrorKind::of(&error) == DatabaseErrorKind::Conflict => {
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
            // Every message would meet the same: none of them is at fault.
            HandleError::Database(error)
                if matches!(
                    DatabaseErrorKind::of(&error),
                    DatabaseErrorKind::Unavailable | DatabaseErrorKind::NotPrepared
                ) =>
            {
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
    deadline: Duration,
) -> Result<Vec<Receipt>, Failed> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    // Whatever the code of an error here, it is about the database and not about a message.
    let away = |problem: String| Failed::Away(DatabaseAway(problem));
    let acquired = tokio::time::timeout(CONNECT_DEADLINE, pool.acquire()).await;
    let acquired = acquired.ok().ok_or_else(|| away("no connection in time".to_owned()))?;
    let mut db = acquired.map_err(|error| away(error.to_string()))?;
    let outcome = tokio::time::timeout(deadline, transaction(&mut db, consumer, handlers, messages)).await;
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

    let first = messages.iter().zip(&receipts).filter(|(_, receipt)| **receipt == Receipt::First);
    for run in runs(first.filter_map(|(message, _)| Some((*message, message.event.as_ref().ok()?)))) {
        let Some(handler) = handlers.get(run.event_type) else { continue };
        let events = run.messages.iter().filter_map(|message| message.decode(handlers)).collect();
        // A handler that panics must not take the consumer with it.
        let outcome = AssertUnwindSafe(handler.handle(&mut tx, events)).catch_unwind().await;
        outcome.unwrap_or_else(|_| Err(HandleError::Retry("the handler panicked".to_owned())))?;
    }
    crate::crash_point!("consumer.before_commit");
    tx.commit().await?;
    crate::crash_point!("consumer.after_commit");
    Ok(receipts)
}

/// Events of one type that go to their handler together.
struct Run<'a, M> {
    event_type: &'a str,
    messages: Vec<M>,
}

/// Gathers events into few runs, so that a handler is called rarely: an event joins the last run of its
/// type, if none of its key is in a later one. So the events of a key keep their order, whatever their types.
fn runs<'a, M>(events: impl Iterator<Item = (M, &'a IncomingEvent)>) -> Vec<Run<'a, M>> {
    let mut runs: Vec<Run<'a, M>> = Vec::new();
    let mut last_of_key: HashMap<&str, usize> = HashMap::new();
    for (message, event) in events {
        let last = last_of_key.entry(&event.key).or_default();
        let place = runs.iter().rposition(|run| run.event_type == event.event_type);
        *last = place.filter(|place| place >= last).unwrap_or_else(|| {
            runs.push(Run { event_type: &event.event_type, messages: Vec::new() });
            runs.len() - 1
        });
        runs[*last].messages.push(message);
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn incoming(event_type: &str, key: &str) -> IncomingEvent {
        IncomingEvent {
            id: uuid::Uuid::now_v7(),
            source: String::new(),
            event_type: event_type.to_owned(),
            key: key.to_owned(),
            version: 1,
            occurred_at: chrono::Utc::now(),
            trace: crate::TraceContext::default(),
            data: serde_json::value::RawValue::NULL.to_owned(),
        }
    }

    #[test]
    fn events_of_different_keys_make_one_run_for_each_type() {
        let events: Vec<_> = (0..40)
            .map(|n| incoming(if n % 2 == 0 { "priced" } else { "renamed" }, &n.to_string()))
            .collect();
        let runs = runs(events.iter().map(|event| (event, event)));
        assert_eq!(runs.iter().map(|run| run.messages.len()).collect::<Vec<_>>(), [20, 20]);
    }

    proptest! {
        #[test]
        fn runs_keep_the_order_of_every_keys_events(picks in prop::collection::vec((0..4_usize, 0..5_usize), 0..60)) {
            let events: Vec<_> =
                picks.iter().map(|(kind, key)| incoming(["a", "b", "c", "d"][*kind], &key.to_string())).collect();
            let runs = runs(events.iter().enumerate());
            let order: Vec<usize> = runs.iter().flat_map(|run| run.messages.iter().copied()).collect();
            prop_assert_eq!(order.len(), events.len());
            for run in &runs {
                prop_assert!(run.messages.iter().all(|index| events[*index].event_type == run.event_type));
            }
            for key in 0..5 {
                let key = key.to_string();
                let of_key: Vec<usize> = order.iter().copied().filter(|index| events[*index].key == key).collect();
                prop_assert!(of_key.is_sorted(), "{:?}", of_key);
            }
        }
    }
}
