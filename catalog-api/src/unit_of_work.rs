//! One transaction: what is read in it is locked, what is changed in it is written, and what of it
//! matters outside is announced. All of it happens, or nothing.

use std::future::Future;

use event_bus::outbox::{self, AppendError};
use event_bus::{Event, TraceContext, crash_point};
use service_kit::problem::Problem;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

/// Something that is read under a lock, changes in memory, and is written back.
///
/// A change raises a domain event: a fact inside this service. What others need to know of it, if
/// anything, is said in [`Aggregate::announce`], which is the one place where a domain event becomes
/// an integration event.
pub trait Aggregate: Sized {
    /// Which one.
    type Id: Copy;
    /// What can happen to it.
    type DomainEvent;

    /// Reads it and locks its row until the transaction ends. `None`: there is none.
    fn lock(tx: &mut PgConnection, id: Self::Id) -> impl Future<Output = Result<Option<Self>, sqlx::Error>>;

    /// Writes what has changed; a change to nothing writes nothing.
    fn write(&mut self, tx: &mut PgConnection) -> impl Future<Output = Result<(), sqlx::Error>>;

    /// Hands over what has happened since it was read, in order.
    fn take_events(&mut self) -> Vec<Self::DomainEvent>;

    /// Tells the outside of a domain event, where it matters there.
    fn announce(
        event: &Self::DomainEvent,
        outbox: &mut Outbox<'_>,
    ) -> impl Future<Output = Result<(), AppendError>>;
}

/// Where integration events go, within the transaction.
pub struct Outbox<'a> {
    tx: &'a mut PgConnection,
    trace: &'a TraceContext,
    announced: &'a mut Vec<Uuid>,
}

impl Outbox<'_> {
    /// Promises to tell the other services, if the transaction commits.
    pub async fn append<E: Event>(&mut self, event: &E) -> Result<(), AppendError> {
        let id = outbox::append(self.tx, event, self.trace).await?;
        self.announced.push(id);
        Ok(())
    }
}

/// A transaction, and what it will announce. Dropped without a commit, it leaves nothing behind.
pub struct UnitOfWork {
    tx: Transaction<'static, Postgres>,
    trace: TraceContext,
    announced: Vec<Uuid>,
}

impl UnitOfWork {
    /// Begins a transaction; `trace` is the context that its events are announced with.
    pub async fn begin(pool: &PgPool, trace: TraceContext) -> Result<Self, sqlx::Error> {
        crash_point!("catalog.before_transaction");
        Ok(Self { tx: pool.begin().await?, trace, announced: Vec::new() })
    }

    /// The transaction's connection, for statements that are about no aggregate.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Reads an aggregate in order to change it.
    ///
    /// Its row is locked: another unit of work that wants it waits until this one ends. That is what
    /// keeps an update from getting lost, and puts the aggregate's events into the log in the order
    /// of their versions.
    pub async fn get<A: Aggregate>(&mut self, id: A::Id) -> Result<Option<A>, sqlx::Error> {
        A::lock(&mut self.tx, id).await
    }

    /// Writes a changed aggregate and announces what has happened to it.
    pub async fn save<A: Aggregate>(&mut self, aggregate: &mut A) -> Result<(), SaveError> {
        aggregate.write(&mut self.tx).await?;
        crash_point!("catalog.before_log_row");
        let mut outbox = Outbox { tx: &mut self.tx, trace: &self.trace, announced: &mut self.announced };
        for event in aggregate.take_events() {
            A::announce(&event, &mut outbox).await?;
        }
        Ok(())
    }

    /// The ids of the events that the commit will announce, in order.
    pub fn announced(&self) -> &[Uuid] {
        &self.announced
    }

    /// Makes all of it happen; returns the ids of the announced events.
    pub async fn commit(self) -> Result<Vec<Uuid>, sqlx::Error> {
        crash_point!("catalog.before_commit");
        self.tx.commit().await?;
        crash_point!("catalog.after_commit");
        Ok(self.announced)
    }
}

/// Why an aggregate was not saved. The unit of work must not be committed after it.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The database refused the change, or is away.
    #[error("the change could not be written")]
    Write(#[from] sqlx::Error),
    /// A change that cannot be announced must not happen.
    #[error("the change could not be announced")]
    Announce(#[from] AppendError),
}

impl From<SaveError> for Problem {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Write(error) | SaveError::Announce(AppendError::Database(error)) => error.into(),
            SaveError::Announce(error) => Self::internal(&error),
        }
    }
}
