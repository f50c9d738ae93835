//! What a database error means for a caller that may try again.

/// What a database error means for a caller that may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseErrorKind {
    /// The database cannot be used now: it is stopped, unreachable, full, read-only, or did not answer in time.
    Unavailable,
    /// Another transaction was in the way: the same statement works when it is tried again.
    Conflict,
    /// The database is not as the program needs it: a table or a column is missing, or the right to use it.
    NotPrepared,
    /// The statement or its values are wrong: trying again gives the same error.
    Statement,
}

impl DatabaseErrorKind {
    /// Reads an error's code (PostgreSQL's manual, appendix A).
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
        match code {
            // Lock not available, statement cancelled by its timeout.
            "55P03" | "57014" => Self::Conflict,
            // Read-only (a standby, or a disk that is full), idle-in-transaction time-out.
            "25006" | "25P03" => Self::Unavailable,
            // Undefined table, undefined column, insufficient privilege, undefined schema.
            "42P01" | "42703" | "42501" | "3F000" => Self::NotPrepared,
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
