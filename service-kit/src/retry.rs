//! Running a transaction again after a lost race or an outdated prepared statement.

use event_bus::DatabaseErrorKind;

/// How often a transaction is run before its error is passed on.
const ATTEMPTS: usize = 3;

/// An error that says whether the same transaction may work when it is run again at once.
pub trait Passing {
    /// Whether it may.
    fn is_passing(&self) -> bool;
}

impl Passing for sqlx::Error {
    /// A lost race: a deadlock (40P01) or a serialization failure (40001), which PostgreSQL resolved by breaking
    /// this transaction off. Or a connection whose prepared statements have become useless, because a table was
    /// altered (0A000) or somebody discarded them (26000): the next try gets another connection.
    fn is_passing(&self) -> bool {
        // Also notes that older connections are outdated, for the pool.
        if DatabaseErrorKind::of(self) != DatabaseErrorKind::Conflict {
            return false;
        }
        let code = self.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("40001" | "40P01" | "0A000" | "26000"))
    }
}

/// Runs a whole transaction, or a lone statement, and runs it again, at most twice, if its error [is
/// passing](Passing::is_passing): it was rolled back.
pub async fn retried<T, E, F>(mut transaction: impl FnMut() -> F) -> Result<T, E>
where
    E: Passing + std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    for _ in 1..ATTEMPTS {
        match transaction().await {
            Err(error) if error.is_passing() => {
                tracing::debug!(%error, "a transaction is run again");
            }
            outcome => return outcome,
        }
    }
    transaction().await
}
