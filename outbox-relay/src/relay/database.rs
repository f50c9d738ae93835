//! A deadline on every call to a database.

use std::time::Duration;

/// How long a database may take for one statement. A connection that was cut says nothing, for ever.
const DEADLINE: Duration = Duration::from_secs(8);

/// The database did not do what it was asked to. What was on its way is done again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("cannot {doing}: {error}")]
    Failed { doing: &'static str, error: sqlx::Error },
    #[error("cannot {doing}: no answer within {} s", after.as_secs())]
    Silent { doing: &'static str, after: Duration },
}

/// Awaits a statement, for at most eight seconds.
pub(crate) async fn within<T>(
    doing: &'static str,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => answer.map_err(|error| Trouble::Failed { doing, error }),
        Err(_) => Err(Trouble::Silent { doing, after: DEADLINE }),
    }
}
