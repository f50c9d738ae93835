//! All SQL of the relay and of its operator's tool.
//!
//! Every call to a database goes through [`within`], which gives it a deadline.

/// A column of a time that the calendar of this process may not have, such as `infinity`: the nearest time that it
/// has.
macro_rules! readable {
    ($column:literal) => {
        concat!(
            "case when ",
            $column,
            " >= '10000-01-01 00:00:00+00' then '9999-12-31 23:59:59+00' when ",
            $column,
            " < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00' else ",
            $column,
            " end as ",
            $column
        )
    };
}

/// Whether the row `relay` of the registry is of a relay that is alive: its lease is running, and its session open.
/// Process 0 stands for a relay without a session of its own. A session of another role may be seen without its start;
/// it then counts as that of the relay.
macro_rules! is_alive {
    () => {
        "(relay.alive_until > clock_timestamp()
          and (relay.backend_pid = 0
               or exists (select from pg_stat_activity as session
                           where session.pid = relay.backend_pid
                             and coalesce(session.backend_start = relay.backend_start, true))))"
    };
}

pub(crate) mod check;
pub(crate) mod counters;
pub(crate) mod events;
pub(crate) mod generation;
pub(crate) mod inbox;
pub(crate) mod ownership;
pub(crate) mod pending;
pub(crate) mod relays;
pub(crate) mod replay;
pub(crate) mod retention;
pub(crate) mod scheduled;
mod session;

use std::time::Duration;

use event_bus::DatabaseErrorKind;

pub(crate) use self::session::Session;

/// How long a database may take for one call. A cut connection gives no answer and no error.
const DEADLINE: Duration = Duration::from_secs(8);

/// A call to a database failed or took too long. Work that was under way is done again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// `is_passing`: the same call may work at once.
    #[error("cannot {doing}: {error}")]
    Failed { doing: &'static str, error: sqlx::Error, is_passing: bool },
    #[error("cannot {doing}: no answer within {} s", after.as_secs())]
    TimedOut { doing: &'static str, after: Duration },
    #[error("the log is published to {0} by another relay: relays of a log publish to the same place")]
    OtherDestination(String),
    #[error("the log was restored: its next generation begins")]
    Restored,
}

impl StoreError {
    /// Whether the server has answered, with an error. The session is usable unless it ends at the next statement.
    pub(crate) fn is_of_the_server(&self) -> bool {
        matches!(self, Self::Failed { error: sqlx::Error::Database(_), .. })
    }

    /// Whether the server has cancelled the statement, for example because of its `statement_timeout`. The session is
    /// usable.
    pub(crate) fn is_cancelled(&self) -> bool {
        let Self::Failed { error: sqlx::Error::Database(error), .. } = self else { return false };
        error.code().as_deref() == Some("57014")
    }
}

/// Awaits a call to a database, for at most eight seconds.
pub(crate) async fn within<T>(
    doing: &'static str,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    within_time(DEADLINE, doing, call).await
}

/// The same for a call that only reads: it is made once more if another transaction was in the way, or a change of the
/// table has made the connection's prepared statements useless.
pub(crate) async fn read_within<T, F>(doing: &'static str, call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    match within(doing, call()).await {
        Err(ref error @ StoreError::Failed { is_passing: true, .. }) if !error.is_cancelled() => {
            within(doing, call()).await
        }
        outcome => outcome,
    }
}

/// Awaits a call to a database, for at most `limit`.
pub(crate) async fn within_time<T>(
    limit: Duration,
    doing: &'static str,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| {
            // It also remembers that prepared statements have become useless: the pools then replace their connections.
            let is_passing = DatabaseErrorKind::of(&error) == DatabaseErrorKind::Conflict;
            StoreError::Failed { doing, error, is_passing }
        }),
        Err(_) => Err(StoreError::TimedOut { doing, after: limit }),
    }
}
