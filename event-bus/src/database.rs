//! What a database error means for a caller that may try again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::postgres::PgDatabaseError;

/// What a database error means for a caller that may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseErrorKind {
    /// The database cannot be used now: it is stopped, unreachable, full, read-only, or did not answer in time.
    Unavailable,
    /// Another transaction was in the way, or the connection's prepared statements have become useless: the same
    /// transaction works when it is tried again.
    Conflict,
    /// The database is not as the program needs it: a table, a column, a function or a constraint is missing, or a right.
    NotPrepared,
    /// The statement or its values are wrong, or a constraint forbids them: at once, trying again gives the same error.
    /// A [subscriber](crate::consumer) tries such an event later all the same, and blocks its key after the last try: a
    /// new release or an operator may have removed the cause by then.
    Statement,
}

impl DatabaseErrorKind {
    /// Reads an error's code (PostgreSQL's manual, appendix A).
    ///
    /// After an error of outdated prepared statements, or of a server that is read-only, [`is_outdated`] is true of the
    /// connections that there are.
    pub fn of(error: &sqlx::Error) -> Self {
        use sqlx::Error as E;
        let code = match error {
            E::Database(error) => error.code(),
            E::Io(_)
            | E::Tls(_)
            | E::Protocol(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => return Self::Unavailable,
            _ => return Self::Statement,
        };
        let Some(code) = code.as_deref() else { return Self::Statement };
        let outdates = outdates(error);
        if let Some(pause) = outdates {
            note_outdated(pause);
        }
        match code {
            // Lock not available, statement cancelled by its timeout.
            "55P03" | "57014" => Self::Conflict,
            // Read-only, idle-in-transaction time-out.
            "25006" | "25P03" => Self::Unavailable,
            _ if outdates.is_some() => Self::Conflict,
            // Undefined table, column, function or other object, a constraint that `on conflict` needs, insufficient privilege,
            // undefined schema: also while a dump is being restored.
            "42P01" | "42703" | "42883" | "42704" | "42P10" | "42501" | "3F000" => Self::NotPrepared,
            _ => match code.get(..2) {
                // Serialization failure, deadlock.
                Some("40") => Self::Conflict,
                // Connection, authorization, unknown database, resources, operator intervention, system.
                Some("08" | "28" | "3D" | "53" | "57" | "58") => Self::Unavailable,
                _ => Self::Statement,
            },
        }
    }
}

#[cfg(feature = "rabbitmq")]
impl DatabaseErrorKind {
    /// The same, of an error that a handler has returned. Too many parameters in a statement, a function or an operator that
    /// is not there, or a wait within the transaction for longer than the server allows, are the handler's: the next try does
    /// the same.
    pub(crate) fn of_handler(error: &sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match error {
            sqlx::Error::Protocol(_) => Self::Statement,
            _ if matches!(code.as_deref(), Some("25P03" | "42883" | "42704" | "42P10")) => Self::Statement,
            error => Self::of(error),
        }
    }
}

/// Whether a connection that gave this error is to be closed, with those that are as old.
#[cfg(feature = "rabbitmq")]
pub(crate) fn is_of_outdated_connection(error: &sqlx::Error) -> bool {
    outdates(error).is_some()
}

/// Whether a connection gave this error because it is outdated, with all that are as old; and if so, after which pause that
/// can be so again.
fn outdates(error: &sqlx::Error) -> Option<Duration> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    match error.code() {
        // A prepared statement that is gone.
        "26000" => Some(Duration::ZERO),
        // A cached plan whose result has another type now. The code is that of everything that is not supported; only the
        // place in the server tells it.
        "0A000" if error.routine() == Some("RevalidateCachedQuery") => Some(Duration::ZERO),
        // The server is read-only: after a failover a new connection leads to another one.
        "25006" => Some(READ_ONLY_PAUSE),
        _ => None,
    }
}

/// When this process last found that the connections that there were are outdated.
static OUTDATED: Mutex<Option<Instant>> = Mutex::new(None);

/// How often pools replace their connections, at most, while the server is read-only: new ones may lead to it again.
const READ_ONLY_PAUSE: Duration = Duration::from_secs(1);

/// Notes that the connections that there are now are outdated, unless that was noted less than `pause` ago.
fn note_outdated(pause: Duration) {
    let mut outdated = OUTDATED.lock().unwrap_or_else(PoisonError::into_inner);
    if outdated.is_none_or(|since| since.elapsed() >= pause) {
        *outdated = Some(Instant::now());
    }
}

/// Says whether a connection of this age is from before a change that made prepared statements useless, such as
/// `alter table`, or before a statement failed because the server was read-only. A pool that asks this before it hands a
/// connection out (`before_acquire`) closes it instead.
pub fn is_outdated(age: Duration) -> bool {
    let outdated = *OUTDATED.lock().unwrap_or_else(PoisonError::into_inner);
    outdated.is_some_and(|since| since.elapsed() <= age)
}
