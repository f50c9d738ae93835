//! After a log was restored: a new generation, and what subscribers know that the log does not.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    Sources,
    audit::{Report, unknown},
    one,
    subscribers::Subscriber,
};
use crate::store::{generation, within};

/// The outcome for one log.
#[derive(Debug, Serialize)]
pub(crate) struct Restored {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// The generation that has begun.
    pub(crate) generation: i64,
    /// What subscribers know that the log does not: `unknown` and `unknown_events`.
    pub(crate) report: Report,
}

/// Begins the next generation of a log, and looks for what its subscribers received since `from` and it does not have.
pub(crate) async fn restore(
    sources: &Sources,
    database: Option<&str>,
    subscribers: &[Subscriber],
    from: DateTime<Utc>,
) -> anyhow::Result<Restored> {
    let source = one(sources, database)?;
    let generation = within("begin a generation", generation::begin(&source.pool)).await?;
    let mut report = Report::new(from, subscribers);
    unknown::find(source, subscribers, from, &mut report).await?;
    Ok(Restored { database: source.name.clone(), generation, report })
}
