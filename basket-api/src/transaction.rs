//! Repeating a transaction that lost a race.

/// How often a transaction is run before its conflict is passed on.
const ATTEMPTS: usize = 3;

/// Runs a whole transaction, and runs it again if PostgreSQL broke it off to resolve a deadlock
/// (40P01) or a serialization failure (40001): it was rolled back, and nobody is at fault.
pub(crate) async fn retried<T>(
    mut transaction: impl AsyncFnMut() -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    for _ in 1..ATTEMPTS {
        match transaction().await {
            Err(error) if is_conflict(&error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a transaction lost a race and is repeated"
                );
            }
            outcome => return outcome,
        }
    }
    transaction().await
}

fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}
