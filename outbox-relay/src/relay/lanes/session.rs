//! A session with a database: the relay's own, or one that a pooler lends out for a transaction at a time.

use event_bus::outbox::log;
use futures_util::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use crate::relay::{Trouble, within};

/// Runs statements one after the other.
pub(crate) struct Session {
    connection: PgConnection,
    /// A pooler stands in between: each statement is a transaction, and leaves nothing behind.
    is_shared: bool,
}

impl Session {
    pub(crate) fn new(connection: PgConnection, is_shared: bool) -> Self {
        Self { connection, is_shared }
    }

    /// To be called before [`statement`](Self::statement).
    pub(crate) async fn begin(&mut self) -> Result<(), Trouble> {
        if self.is_shared {
            let set = log::ROW_BY_ROW.map(|setting| format!("; set local {setting}")).concat();
            let begin = AssertSqlSafe(format!("begin{set}"));
            within("begin", sqlx::raw_sql(begin).execute(&mut self.connection)).await?;
        }
        Ok(())
    }

    /// Something to run one statement with.
    pub(crate) fn statement(&mut self) -> Statement<'_> {
        Statement { connection: &mut self.connection, is_named: !self.is_shared }
    }

    /// To be called after a statement. After an error the session is not used any further.
    pub(crate) async fn end(&mut self) -> Result<(), Trouble> {
        if self.is_shared {
            within("commit", self.connection.execute("commit")).await?;
        }
        Ok(())
    }

    /// The connection itself, for what only a session of one's own can do.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Runs a statement under a name that the server remembers, so that it is parsed once; or under none: a
/// name would be another client's on the next session that the pooler lends out.
#[derive(Debug)]
pub(crate) struct Statement<'c> {
    connection: &'c mut PgConnection,
    is_named: bool,
}

impl<'c> Executor<'c> for Statement<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.connection.fetch_many(Named { query, is_named: self.is_named })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.connection.fetch_optional(Named { query, is_named: self.is_named })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.connection.describe(sql)
    }
}

struct Named<E> {
    query: E,
    is_named: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Named<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.is_named && self.query.persistent()
    }
}
