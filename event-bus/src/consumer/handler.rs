//! What a subscriber does with one type of event.

use std::{any::Any, error::Error, fmt::Display, pin::Pin};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, Postgres, Transaction, error::DatabaseError};
use uuid::Uuid;

use crate::{DatabaseErrorKind, TraceContext, envelope::IncomingEvent, inbox::Order};

/// An event as a handler receives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received<P> {
    /// The event's id.
    pub id: Uuid,
    /// The log that it is from: the CloudEvents `source`, by default `/` and the database's name in the relay's settings.
    pub source: String,
    /// What it is about.
    pub key: String,
    /// The generation of the source's log that the version counts in. A later one is newer, whatever the version.
    pub generation: i64,
    /// The version that the change gave the key.
    pub version: i64,
    /// Whether it is newer than all events of its key and type that were handled. A broker may hand an event out late,
    /// after newer ones of its key: a handler that keeps the newest fact must not go back to an older one.
    pub is_newest: bool,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Whether the broker had delivered the message before.
    pub redelivered: bool,
    /// The trace that caused it, for what the handler causes in turn.
    pub trace: TraceContext,
    /// The fields that the handler reads.
    pub data: P,
}

impl<P> Received<P> {
    /// An event that is received for the first time and is the newest of its key, for tests of handlers.
    pub fn new(key: impl Into<String>, version: i64, data: P) -> Self {
        Self {
            id: Uuid::now_v7(),
            source: "/test".to_owned(),
            key: key.into(),
            generation: 1,
            version,
            is_newest: true,
            occurred_at: Utc::now(),
            redelivered: false,
            trace: TraceContext::default(),
            data,
        }
    }

    /// Checks that the key, which orders the events, is what the payload says that the event is about: with another
    /// key it would come at any time, and the guard against old news would guard the wrong thing.
    ///
    /// # Errors
    ///
    /// [`HandleError::Reject`] with another key.
    pub fn check_key(&self, about: impl Display) -> Result<(), HandleError> {
        let about = about.to_string();
        if self.key == about {
            return Ok(());
        }
        Err(HandleError::reject(format!("an event with the key {:?} is about {about:?}", self.key)))
    }
}

/// What becomes of an event whose last try failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GiveUp {
    /// Its key is blocked until an operator has it tried again or skips it.
    #[default]
    Block,
    /// It is skipped, which the inbox records, and the next event of its key is tried.
    Skip,
}

/// Reacts to one type of event, one event at a time.
///
/// `handle` runs inside the transaction that enters the event in the inbox, and may append events of its own to the outbox
/// of the same database. It must not commit or roll back, nor do anything that a rollback cannot undo: it may be called
/// several times for one event, and its future may be dropped when time is over. It returns every error of the database,
/// since PostgreSQL has aborted the transaction.
///
/// ```
/// # use event_bus::{HandleError, Handler, Received};
/// # use sqlx::{PgPool, Postgres, Transaction};
/// # #[derive(serde::Deserialize)]
/// # struct BookReturned { book: String }
/// # struct CallNextReader;
/// # impl Handler for CallNextReader {
/// #     const EVENT_TYPE: &'static str = "town.library.book_returned.v1";
/// #     type Payload = BookReturned;
/// #     async fn handle(&self, _: &mut Transaction<'_, Postgres>, _: &Received<BookReturned>) -> Result<(), HandleError> {
/// #         Ok(())
/// #     }
/// # }
/// // A test of a handler, without a broker.
/// async fn calls_the_next_reader(pool: PgPool) {
///     let mut tx = pool.begin().await.unwrap();
///     let event = Received::new("Ulysses", 1, BookReturned { book: "Ulysses".to_owned() });
///     CallNextReader.handle(&mut tx, &event).await.unwrap();
///     // Read what it has written in `tx`; dropping it rolls back.
/// }
/// ```
pub trait Handler: Send + Sync + 'static {
    /// The event's type on the wire.
    const EVENT_TYPE: &'static str;
    /// Which events of a key have an effect.
    const ORDER: Order = Order::EveryEvent;
    /// What becomes of an event whose last try failed.
    const GIVE_UP: GiveUp = GiveUp::Block;
    /// The fields of the payload that are read. A message without them is dead-lettered.
    type Payload: DeserializeOwned + Send + Sync + 'static;

    /// Handles an event that is received for the first time.
    fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<Self::Payload>,
    ) -> impl Future<Output = Result<(), HandleError>> + Send;
}

/// Reacts to one type of event, many events at a time: one statement can then write the effects of all of them.
///
/// Every [`Handler`] is one. The same rules hold.
pub trait BatchHandler: Send + Sync + 'static {
    /// The event's type on the wire.
    const EVENT_TYPE: &'static str;
    /// Which events of a key have an effect.
    const ORDER: Order = Order::EveryEvent;
    /// What becomes of an event whose last try failed.
    const GIVE_UP: GiveUp = GiveUp::Block;
    /// The fields of the payload that are read. A message without them is dead-lettered.
    type Payload: DeserializeOwned + Send + Sync + 'static;

    /// Handles events of this type in their order, each received for the first time.
    fn handle_batch(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        events: &[Received<Self::Payload>],
    ) -> impl Future<Output = Result<(), HandleError>> + Send;
}

impl<H: Handler> BatchHandler for H {
    const EVENT_TYPE: &'static str = H::EVENT_TYPE;
    const ORDER: Order = H::ORDER;
    const GIVE_UP: GiveUp = H::GIVE_UP;
    type Payload = H::Payload;

    async fn handle_batch(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        events: &[Received<H::Payload>],
    ) -> Result<(), HandleError> {
        for event in events {
            self.handle(tx, event).await?;
        }
        Ok(())
    }
}

/// Why events were not handled. The transaction is rolled back, and each event is tried alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// May work later: the event waits, and is tried again. See [`consumer`](crate::consumer).
    #[error(transparent)]
    Retry(Box<dyn Error + Send + Sync>),
    /// Will never work: dead-lettered at once, with this reason.
    #[error(transparent)]
    Reject(Box<dyn Error + Send + Sync>),
    /// A statement failed. Where [`DatabaseErrorKind`](crate::DatabaseErrorKind) says that the database is unavailable,
    /// the subscriber waits for it. Where it says that another transaction was in the way, or that a table, a column or a right
    /// is missing, the event waits, which is no failure. Any other error is one, as [`Retry`](Self::Retry) is: also one that
    /// trying again does not end, since an operator may repair the data or a constraint.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl HandleError {
    /// The event may be handled later.
    pub fn retry(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Retry(reason.into())
    }

    /// Whether it is the handler's, or the event's, and not of the database or of another transaction.
    pub(crate) fn is_of_handler(&self) -> bool {
        match self {
            Self::Database(error) => DatabaseErrorKind::of_handler(error) == DatabaseErrorKind::Statement,
            _ => true,
        }
    }

    /// The event is wrong, and always will be.
    pub fn reject(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Reject(reason.into())
    }
}

/// Fails where COMMIT would not. A handler that did not return the error of a statement leaves an aborted transaction, which
/// COMMIT rolls back without an error: the effects and the inbox rows would be gone, and the messages acknowledged.
/// Deferred constraints are checked now.
pub(super) async fn can_commit(tx: &mut PgConnection) -> Result<(), HandleError> {
    let Err(error) = sqlx::raw_sql("set constraints all immediate").execute(tx).await else { return Ok(()) };
    let code = error.as_database_error().and_then(DatabaseError::code);
    if code.as_deref() == Some("25P02") {
        return Err(HandleError::retry(
            "a statement of the handler failed, and it did not return that error",
        ));
    }
    Err(error.into())
}

type HandleFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HandleError>> + Send + 'a>>;

/// An event with its payload; only its handler knows the type.
pub(crate) type Decoded = Box<dyn Any + Send>;

/// A [`BatchHandler`] of any payload.
pub(crate) trait AnyHandler: Send + Sync {
    fn order(&self) -> Order;
    fn give_up(&self) -> GiveUp;
    /// Reads the payload. `trace` is the step that handles the event, if there is one.
    fn decode(
        &self,
        incoming: &IncomingEvent,
        redelivered: bool,
        is_newest: bool,
        trace: Option<TraceContext>,
    ) -> Result<Decoded, serde_json::Error>;
    fn handle<'a, 't: 'a>(
        &'a self,
        tx: &'a mut Transaction<'t, Postgres>,
        events: Vec<Decoded>,
    ) -> HandleFuture<'a>;
}

impl<H: BatchHandler> AnyHandler for H {
    fn order(&self) -> Order {
        H::ORDER
    }

    fn give_up(&self) -> GiveUp {
        H::GIVE_UP
    }

    fn decode(
        &self,
        incoming: &IncomingEvent,
        redelivered: bool,
        is_newest: bool,
        trace: Option<TraceContext>,
    ) -> Result<Decoded, serde_json::Error> {
        Ok(Box::new(Received::<H::Payload> {
            id: incoming.id,
            source: incoming.source.clone(),
            key: incoming.key.clone(),
            generation: incoming.generation,
            version: incoming.version,
            is_newest,
            occurred_at: incoming.occurred_at,
            redelivered,
            trace: trace.unwrap_or_else(|| incoming.trace.clone()),
            data: serde_json::from_str(incoming.data.get())?,
        }))
    }

    fn handle<'a, 't: 'a>(
        &'a self,
        tx: &'a mut Transaction<'t, Postgres>,
        events: Vec<Decoded>,
    ) -> HandleFuture<'a> {
        // `decode` of the same handler made these: none is filtered out.
        let events: Vec<Received<H::Payload>> =
            events.into_iter().filter_map(|event| event.downcast().ok()).map(|event| *event).collect();
        Box::pin(async move { self.handle_batch(tx, &events).await })
    }
}
