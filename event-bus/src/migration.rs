//! The versioned schema of the outbox and the inbox.

/// One step of a schema, applied once and in the order of the versions.
///
/// The version and the text never change once they are released: migration tools store a checksum of
/// the text, and refuse a database whose checksum differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The version, `YYYYMMDDHHMM`: unique among the migrations of a database.
    pub version: i64,
    /// What it does, in a few words.
    pub description: &'static str,
    /// The statements.
    pub sql: &'static str,
}

impl Migration {
    pub(crate) const fn new(version: i64, description: &'static str, sql: &'static str) -> Self {
        Self { version, description, sql }
    }
}

/// Declares `MIGRATIONS` of files in one folder, and `SCHEMA`, all of them as one text.
macro_rules! migrations {
    ($(#[$about:meta])* $folder:literal $($version:literal $description:literal $file:literal),+ $(,)?) => {
        $(#[$about])*
        pub const MIGRATIONS: &[$crate::Migration] = &[
            $($crate::Migration::new($version, $description, include_str!(concat!($folder, $file)))),+
        ];

        /// All [`MIGRATIONS`] as one text, for a service with another migration tool.
        pub const SCHEMA: &str = concat!($(include_str!(concat!($folder, $file))),+);
    };
}

pub(crate) use migrations;
