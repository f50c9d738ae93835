//! Decisions about many failed events.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Decision, Sources};
use crate::{
    source::Source,
    store::{
        StoreError,
        events::{self, Failed},
        within,
    },
};

/// Events that one statement changes, so that none holds its locks for long.
const PAGE: i64 = 1_000;

/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// What was done in one database.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// The failed events that matched.
    pub(crate) matched: u64,
    /// Those that were requeued or skipped.
    pub(crate) changed: u64,
}

/// Carries out a decision about all failed events that match, page by page; with `dry_run` only counts them.
pub(crate) async fn decide_all(
    sources: &Sources,
    failed: &Failed,
    decision: &Decision<'_>,
    dry_run: bool,
) -> Result<Vec<Done>, StoreError> {
    let mut all = Vec::new();
    for source in sources {
        all.push(in_database(source, failed, decision, dry_run).await?);
    }
    Ok(all)
}

async fn in_database(
    source: &Source,
    failed: &Failed,
    decision: &Decision<'_>,
    dry_run: bool,
) -> Result<Done, StoreError> {
    let mut done = Done { database: source.name.clone(), matched: 0, changed: 0 };
    let (mut after, mut told) = (0, Instant::now());
    loop {
        let next = events::failed_after(&source.pool, failed, after, PAGE);
        let page = within("find failed events", next).await?;
        let Some((_, last)) = page.last() else { return Ok(done) };
        after = *last;
        done.matched += page.len() as u64;
        let ids: Vec<_> = page.into_iter().map(|(id, _)| id).collect();
        if !dry_run {
            done.changed += match decision {
                Decision::Requeue => within("requeue events", events::requeue(&source.pool, &ids)).await?,
                Decision::Skip { by, reason } => {
                    within("skip events", events::skip(&source.pool, &ids, by, reason)).await?
                }
            };
        }
        if told.elapsed() > PROGRESS_EVERY {
            told = Instant::now();
            eprintln!("outbox-relay: {}: {} events, going on", source.name, done.matched);
        }
    }
}
