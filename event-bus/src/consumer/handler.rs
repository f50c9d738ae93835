//! What a subscriber does with one type of event.

use std::{any::Any, pin::Pin};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{TraceContext, envelope::IncomingEvent};

/// An event as a handler gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received<P> {
    /// The event's id.
    pub id: Uuid,
    /// The service that announced it.
    pub source: String,
    /// What it is about.
    pub key: String,
    /// The version that the change gave the key.
    pub version: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Whether the broker had delivered the message before.
    pub redelivered: bool,
    /// The trace that caused it.
    pub trace: TraceContext,
    /// The fields that the handler reads.
    pub data: P,
}

/// Reacts to one type of event.
///
/// `handle` runs inside the transaction that enters the events in the inbox. It must not commit, and
/// must not do anything that a rollback cannot undo.
pub trait Handler: Send + Sync + 'static {
    /// The event's type on the wire.
    const EVENT_TYPE: &'static str;
    /// The fields of the event's payload that are read. A message without them is dead-lettered.
    type Payload: DeserializeOwned + Send + Sync + 'static;

    /// Handles a run of events of this type, in their order: each for the first time, and newer than
    /// what was known of its key.
    fn handle(
        &self,
        tx: &mut PgConnection,
        events: &[Received<Self::Payload>],
    ) -> impl Future<Output = Result<(), HandleError>> + Send;
}

/// Why events were not handled. The transaction is rolled back, and each event is tried alone.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// May work later: tried again after a delay, a bounded number of times, then dead-lettered.
    #[error("{0}")]
    Retry(String),
    /// Will never work: dead-lettered at once, with this reason.
    #[error("{0}")]
    Reject(String),
    /// A statement failed. Whether to try again, to wait for the database or to give up is read from
    /// its code.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
}

type HandleFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HandleError>> + Send + 'a>>;

/// An event, its payload read; only its handler knows the type.
pub(crate) type Decoded = Box<dyn Any + Send>;

/// A [`Handler`] of whatever payload.
pub(crate) trait AnyHandler: Send + Sync {
    fn decode(&self, incoming: &IncomingEvent, redelivered: bool) -> Result<Decoded, serde_json::Error>;
    fn handle<'a>(&'a self, tx: &'a mut PgConnection, events: Vec<Decoded>) -> HandleFuture<'a>;
}

impl<H: Handler> AnyHandler for H {
    fn decode(&self, incoming: &IncomingEvent, redelivered: bool) -> Result<Decoded, serde_json::Error> {
        Ok(Box::new(Received::<H::Payload> {
            id: incoming.id,
            source: incoming.source.clone(),
            key: incoming.key.clone(),
            version: incoming.version,
            occurred_at: incoming.occurred_at,
            redelivered,
            trace: incoming.trace.clone(),
            data: serde_json::from_str(incoming.data.get())?,
        }))
    }

    fn handle<'a>(&'a self, tx: &'a mut PgConnection, events: Vec<Decoded>) -> HandleFuture<'a> {
        // What `decode` of the same handler made: nothing is filtered out.
        let events: Vec<Received<H::Payload>> =
            events.into_iter().filter_map(|event| event.downcast().ok()).map(|event| *event).collect();
        Box::pin(async move { Handler::handle(self, tx, &events).await })
    }
}
