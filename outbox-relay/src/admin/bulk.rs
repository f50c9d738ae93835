//! Decisions about many failed events.

use std::time::{Duration, Instant};

use serde::Serialize;
use service_kit::output::complain;

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
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = BulkDone)]
pub(crate) struct Done {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// The failed events that matched.
    pub(crate) matched: u64,
    /// Those that were requeued or skipped.
    pub(crate) changed: u64,
    /// Why it did not come to its end here.
    pub(crate) problem: Option<String>,
}

impl Done {
    fn none_in(source: &Source) -> Self {
        Self { database: source.name.clone(), matched: 0, changed: 0, problem: None }
    }
}

/// How far a decision about many events has come.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkProgress)]
pub(crate) struct Progress {
    /// The failed events that matched.
    pub(crate) matched: u64,
    /// Those that were requeued or skipped.
    pub(crate) changed: u64,
    /// Whether there may be more that match: decide again.
    pub(crate) more: bool,
    /// The same figures of each database.
    pub(crate) databases: Vec<Done>,
}

impl Progress {
    pub(crate) fn of(databases: Vec<Done>, more: bool) -> Self {
        let sum = |figure: fn(&Done) -> u64| databases.iter().map(figure).sum();
        Self { matched: sum(|done| done.matched), changed: sum(|done| done.changed), more, databases }
    }
}

/// How much one call does.
pub(crate) struct Limit {
    /// How many events, to the page.
    pub(crate) events: u64,
    /// No page begins later.
    pub(crate) until: Option<Instant>,
}

impl Limit {
    /// For the command line: everything, and it says how far it is.
    pub(crate) fn none() -> Self {
        Self { events: u64::MAX, until: None }
    }
}

/// Counts the failed events that match.
pub(crate) async fn count(sources: &Sources, failed: &Failed) -> Vec<Done> {
    let mut all = Vec::new();
    for source in sources {
        let mut done = Done::none_in(source);
        match within("count failed events", events::count_failed(&source.pool, failed)).await {
            Ok(count) => done.matched = u64::try_from(count).unwrap_or_default(),
            Err(error) => done.problem = Some(error.to_string()),
        }
        all.push(done);
    }
    all
}

/// Carries out a decision about failed events that match, page by page, from the oldest on. A database that does not
/// answer holds no other one up.
pub(crate) async fn decide_all(
    sources: &Sources,
    failed: &Failed,
    decision: &Decision<'_>,
    limit: &Limit,
) -> Progress {
    let (mut all, mut left, mut more) = (Vec::new(), limit.events, false);
    for source in sources {
        let mut done = Done::none_in(source);
        let limit = Limit { events: left, ..*limit };
        match in_database(source, failed, decision, &limit, &mut done).await {
            Ok(is_all) => more |= !is_all,
            Err(error) => done.problem = Some(error.to_string()),
        }
        left -= done.matched;
        all.push(done);
    }
    Progress::of(all, more)
}

/// Returns whether no event that matches is left.
async fn in_database(
    source: &Source,
    failed: &Failed,
    decision: &Decision<'_>,
    limit: &Limit,
    done: &mut Done,
) -> Result<bool, StoreError> {
    let (mut after, mut told) = (0, Instant::now());
    loop {
        let is_late = limit.until.is_some_and(|until| Instant::now() > until);
        let size = i64::try_from(limit.events - done.matched).unwrap_or(PAGE).min(PAGE);
        // With no page left, one event is looked for: it tells whether there are more.
        let is_full = is_late || size == 0;
        let next = events::failed_after(&source.pool, failed, after, if is_full { 1 } else { size });
        let page = within("find failed events", next).await?;
        let Some((_, last)) = page.last() else { return Ok(true) };
        if is_full {
            return Ok(false);
        }
        after = *last;
        done.matched += page.len() as u64;
        let ids: Vec<_> = page.into_iter().map(|(id, _)| id).collect();
        done.changed += match decision {
            Decision::Requeue => within("requeue events", events::requeue(&source.pool, &ids)).await?,
            Decision::Skip { by, reason } => {
                within("skip events", events::skip(&source.pool, &ids, by, reason)).await?
            }
        };
        if limit.until.is_none() && told.elapsed() > PROGRESS_EVERY {
            told = Instant::now();
            complain(&format!("outbox-relay: {}: {} events, going on", source.name, done.matched));
        }
    }
}
