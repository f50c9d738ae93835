//! Whose fault a database error is.

/// What an error means for the messages that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The database is away, or not as this program needs it: no message's fault, and true of all of
    /// them. Consuming stops until it is back.
    Away,
    /// Another transaction was in the way: the same again will work.
    Conflict,
    /// It came with the message.
    Message,
}

/// Reads an error's code (PostgreSQL's manual, appendix A).
pub(crate) fn trouble(error: &sqlx::Error) -> Trouble {
    use sqlx::Error as E;
    let code = match error {
        E::Database(error) => error.code(),
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
            return Trouble::Away;
        }
        _ => return Trouble::Message,
    };
    match code.as_deref() {
        // Serialization failure, deadlock, lock not available, statement cancelled by its timeout.
        Some("40001" | "40P01" | "55P03" | "57014") => Trouble::Conflict,
        // Read-only (a standby, or a disk that is full), idle-in-transaction time-out; not migrated yet, or
        // without the rights: every message would meet the same.
        Some("25006" | "25P03" | "42P01" | "42703" | "42501" | "3F000" | "3D000" | "28000" | "28P01") => {
            Trouble::Away
        }
        // Connection, resources, operator intervention, system.
        Some(code) if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Trouble::Away,
        _ => Trouble::Message,
    }
}
