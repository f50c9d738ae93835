//! A session with a database: the relay's own, or one that a pooler provides for one transaction at a time.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};

/// A mark repeats what has happened already: if the server crashes and forgets it, the relay sends again and
/// the consumer's inbox absorbs the repeat, so a mark does not wait for the disk. The keepalives let a server notice
/// within 15 s that a relay is gone, and free its locks.
const OWN_SESSION: &str = "set synchronous_commit = off; set tcp_keepalives_idle = 5;
    set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2";

/// Planner settings under which a poll and a mark read row by row through their indexes, whatever the table's
/// statistics say. Without them the first poll of a new and suddenly full log reads and sorts the whole table.
/// A disabled plan that cannot be avoided counts as so expensive that it would be compiled first: `jit` is off.
const ROW_BY_ROW: [&str; 4] =
    ["enable_seqscan = off", "enable_bitmapscan = off", "plan_cache_mode = force_generic_plan", "jit = off"];

/// Runs statements one after the other.
pub(crate) struct Session {
    connection: PgConnection,
    /// Whether the session is the relay's own, rather than a pooler's.
    is_own: bool,
}

impl Session {
    /// Opens a connection; `is_own` is false where a pooler is in between.
    pub(crate) async fn open(options: &PgConnectOptions, is_own: bool) -> Result<Self, sqlx::Error> {
        // The peer monitor waits in one long statement, which is not worth a warning.
        let options = options.clone().disable_statement_logging();
        let mut connection = PgConnection::connect_with(&options).await?;
        if is_own {
            let settings = ROW_BY_ROW.map(|setting| format!("; set {setting}")).concat();
            sqlx::raw_sql(AssertSqlSafe(format!("{OWN_SESSION}{settings}"))).execute(&mut connection).await?;
        }
        Ok(Self { connection, is_own })
    }

    /// Begins a statement. On a pooler's session each statement is a transaction and leaves nothing behind.
    pub(super) async fn begin(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if !self.is_own {
            let settings = ROW_BY_ROW.map(|setting| format!("; set local {setting}")).concat();
            sqlx::raw_sql(AssertSqlSafe(format!("begin{settings}"))).execute(&mut self.connection).await?;
        }
        Ok(&mut self.connection)
    }

    /// Ends a statement. After an error the session is not used again.
    pub(super) async fn end(&mut self) -> Result<(), sqlx::Error> {
        if !self.is_own {
            self.connection.execute("commit").await?;
        }
        Ok(())
    }

    /// Makes the session usable again after the server has cancelled or refused a statement.
    pub(crate) async fn cancelled(&mut self) -> Result<(), sqlx::Error> {
        if !self.is_own {
            self.connection.execute("rollback").await?;
        }
        Ok(())
    }

    /// Whether the server may keep a prepared statement under a name. On a pooler's session the name would belong
    /// to another client next time.
    pub(super) fn keeps_statements(&self) -> bool {
        self.is_own
    }

    /// The connection, for statements that need a session of the relay's own.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
