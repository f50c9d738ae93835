//! Why a change and its events were not made.

use event_bus::HandleError;
use event_bus::outbox::AppendError;

use crate::problem::Problem;
use crate::retry::Passing;

/// Why a change of rows, with its events in the outbox, was not made. The transaction must be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// An event of the change could not be appended to the outbox.
    #[error("the change could not be appended to the outbox")]
    Append(#[source] AppendError),
    /// The database refused a statement, or is unavailable.
    #[error("the change could not be written")]
    Database(#[from] sqlx::Error),
}

impl From<AppendError> for ChangeError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Database(error) => Self::Database(error),
            error => Self::Append(error),
        }
    }
}

impl Passing for ChangeError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_passing())
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Database(error) => error.into(),
            ChangeError::Append(error) => Self::internal(&error),
        }
    }
}

impl From<ChangeError> for HandleError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Database(error) => error.into(),
            ChangeError::Append(error) => Self::retry(error),
        }
    }
}
