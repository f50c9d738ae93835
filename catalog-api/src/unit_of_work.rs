//! One unit of work: what is changed in it is written, and what of it matters outside is announced.
//! All of it happens, or nothing.

use std::hash::Hash;

use event_bus::outbox::{Announcement, AppendError, Change};
use event_bus::{Event, TraceContext, crash_point};
use service_kit::database;
use service_kit::loader::Loader;
use service_kit::problem::Problem;
use service_kit::statements::{Lent, Statements};
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Transaction};
use uuid::Uuid;

/// Something that is read, changes in memory, and is written back.
///
/// A change raises a domain event: a fact inside this service. What others need to know of it, if
/// anything, is said in [`Aggregate::announce`], which is the one place where a domain event becomes
/// an integration event.
pub trait Aggregate: Sized {
    /// Which one.
    type Id: Copy + Eq + Hash + Send + Sync + 'static;
    /// What its row holds.
    type Row: Clone + Send + Sync + 'static;
    /// What can happen to it.
    type DomainEvent;

    /// Reads its row, which nobody else changes until the transaction ends. `None`: there is none.
    fn lock(
        tx: &mut PgConnection,
        id: Self::Id,
    ) -> impl Future<Output = Result<Option<Self::Row>, sqlx::Error>>;

    /// It, as it was read.
    fn from_row(row: Self::Row) -> Self;

    /// Whether there is anything to write.
    fn has_changed(&self) -> bool;

    /// Says how the change is written: one statement, which finds the row only at the version that was read.
    fn write(&mut self, statement: &mut QueryBuilder<Postgres>);

    /// Hands over what has happened since it was read, in order.
    fn take_events(&mut self) -> Vec<Self::DomainEvent>;

    /// Tells the outside of a domain event, where it matters there.
    fn announce(event: &Self::DomainEvent, outbox: &mut Outbox<'_>) -> Result<(), AppendError>;
}

/// Where integration events go, within the unit of work.
pub struct Outbox<'a> {
    trace: &'a TraceContext,
    announcements: Vec<Announcement>,
}

impl Outbox<'_> {
    /// Promises to tell the other services, if the unit of work commits.
    pub fn append<E: Event>(&mut self, event: &E) -> Result<(), AppendError> {
        self.announcements.push(Announcement::of(event, self.trace)?);
        Ok(())
    }
}

/// How a unit of work keeps others from changing what it has read.
#[derive(Clone, Copy)]
pub enum Locking<'a> {
    /// Not at all: it finds out when it writes. One read, together with others that are asked for at the same time,
    /// and one write, each a transaction of its own.
    Optimistic(&'a Statements),
    /// Others wait from the read on, in a transaction.
    Pessimistic(&'a PgPool),
}

/// What was read, what is to be written, and what that will announce. Dropped without a commit, it leaves
/// nothing behind.
///
/// Either way an aggregate's row is locked by the change before its events enter the log, in the same
/// statement. That keeps an update from getting lost, and puts the events into the log in the order of
/// their versions.
pub struct UnitOfWork {
    session: Session,
    trace: TraceContext,
    changes: Vec<Change>,
    announced: Vec<Uuid>,
}

enum Session {
    /// Has a connection from the first statement of its own on.
    Statements {
        statements: Statements,
        lent: Option<Lent>,
    },
    Transaction(Transaction<'static, Postgres>),
}

impl Session {
    async fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        match self {
            Self::Statements { lent: Some(lent), .. } => Ok(lent),
            Self::Statements { statements, lent } => Ok(lent.insert(statements.connection().await?)),
            Self::Transaction(tx) => Ok(tx),
        }
    }
}

impl UnitOfWork {
    /// Begins; `trace` is the context that its events are announced with.
    pub async fn begin(locking: Locking<'_>, trace: TraceContext) -> Result<Self, sqlx::Error> {
        crash_point!("catalog.before_transaction");
        let session = match locking {
            Locking::Optimistic(statements) => {
                Session::Statements { statements: statements.clone(), lent: None }
            }
            Locking::Pessimistic(pool) => Session::Transaction(Box::pin(database::begin(pool)).await?),
        };
        Ok(Self { session, trace, changes: Vec::new(), announced: Vec::new() })
    }

    /// The connection, for statements that are about no aggregate: to read, or in a transaction.
    pub async fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.session.connection().await
    }

    /// Reads an aggregate in order to change it: in a transaction by itself, else through `rows`.
    pub async fn get<A: Aggregate>(
        &mut self,
        rows: &Loader<A::Id, A::Row>,
        id: A::Id,
    ) -> Result<Option<A>, Problem> {
        let row = match &mut self.session {
            Session::Statements { .. } => rows.load(id).await?,
            Session::Transaction(tx) => A::lock(tx, id).await?,
        };
        Ok(row.map(A::from_row))
    }

    /// Takes note of a changed aggregate and of what there is to announce of it; the commit writes both.
    pub fn save<A: Aggregate>(&mut self, aggregate: &mut A) -> Result<(), SaveError> {
        let mut outbox = Outbox { trace: &self.trace, announcements: Vec::new() };
        for event in aggregate.take_events() {
            A::announce(&event, &mut outbox)?;
        }
        if aggregate.has_changed() {
            self.changes.push(Change::new(&outbox.announcements, |statement| aggregate.write(statement)));
            self.announced.extend(outbox.announcements.iter().map(Announcement::event_id));
        }
        Ok(())
    }

    /// The ids of the events that the commit will announce, in order.
    pub fn announced(&self) -> &[Uuid] {
        &self.announced
    }

    /// Makes all of it happen; returns the ids of the announced events.
    pub async fn commit(mut self) -> Result<Vec<Uuid>, CommitError> {
        crash_point!("catalog.before_log_row");
        if let Session::Statements { .. } = self.session {
            // One statement is a transaction of its own; several need one.
            if self.changes.len() > 1 {
                return Err(CommitError::Overtaken);
            }
            crash_point!("catalog.before_commit");
        }
        for change in self.changes {
            if !change.execute(self.session.connection().await?).await? {
                return Err(CommitError::Overtaken);
            }
        }
        match self.session {
            Session::Statements { lent: Some(lent), .. } => lent.hand_back(),
            Session::Statements { lent: None, .. } => {}
            Session::Transaction(tx) => {
                crash_point!("catalog.before_commit");
                tx.commit().await?;
            }
        }
        crash_point!("catalog.after_commit");
        Ok(self.announced)
    }
}

/// A change that cannot be announced must not happen: the unit of work must not be committed after this.
#[derive(Debug, thiserror::Error)]
#[error("the change could not be announced")]
pub struct SaveError(#[from] AppendError);

/// Why a unit of work was not committed. Nothing of it has happened, unless the database went away meanwhile: then
/// nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was faster, or it takes a transaction: do it again, with
    /// [`Locking::Pessimistic`].
    #[error("changed by somebody else meanwhile: try again")]
    Overtaken,
    /// The database refused the change, or is away.
    #[error("the change could not be written")]
    Database(#[from] sqlx::Error),
}

impl From<SaveError> for Problem {
    fn from(error: SaveError) -> Self {
        Self::internal(&error)
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Overtaken => Self::conflict(error.to_string()),
            CommitError::Database(error) => error.into(),
        }
    }
}
