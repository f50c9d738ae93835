//! The operator's functions, for the HTTP routes and for the command line.

pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod check;
pub(crate) mod http;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod scheduled;
pub(crate) mod subscribers;
pub(crate) mod tables;
pub(crate) mod timeline;

use std::{fmt, sync::Arc};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use event_bus::{
    outbox::{self, LogStatus, Progress},
    relay,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    source::{PublisherStatus, Source},
    store::{
        self, StoreError,
        events::{self, Before, Filter, LoggedEvent},
        read_within,
        relays::{self, Relay},
        within,
    },
};

/// The most events that a list has.
pub(crate) const LIST_LIMIT: i64 = 1_000;

/// The databases of this relay.
pub(crate) type Sources = Vec<Arc<Source>>;

/// The database of this name, or the only one where no name is given.
pub(crate) fn one<'a>(sources: &'a Sources, database: Option<&str>) -> anyhow::Result<&'a Source> {
    let known = || sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ");
    let is_clear = database.is_some() || sources.len() == 1;
    ensure!(is_clear, "which database? There are {}: give --database NAME", known());
    let source = sources.iter().find(|source| database.is_none_or(|name| source.name == name));
    source.map(Arc::as_ref).with_context(|| format!("no such database: there is {}", known()))
}

/// The status of one database.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceStatus {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// The figures of its log; absent while the database is unavailable.
    pub(crate) log: Option<LogStatus>,
    /// The two ends of its log; absent while the database is unavailable.
    pub(crate) progress: Option<Progress>,
    /// Why there are no figures.
    pub(crate) problem: Option<String>,
    /// What an operator should act on, in words; none where everything is as it should be.
    pub(crate) problems: Vec<String>,
    /// The status of this relay; absent on the command line, which publishes nothing.
    pub(crate) relay: Option<PublisherStatus>,
}

/// Asks all databases for their status, side by side.
pub(crate) async fn status(sources: &Sources, with_relay: bool) -> Vec<SourceStatus> {
    let ask = sources.iter().map(|source| async move {
        let asked = async {
            let log = within("read the log's figures", outbox::status(&source.pool)).await?;
            let progress = within("read the ends of the log", outbox::progress(&source.pool)).await?;
            let relays = read_within("read the relay registry", || relays::list(&source.pool)).await?;
            let overdue = within("count overdue events", store::scheduled::overdue(&source.pool)).await?;
            let problems = problems(&log, &relays, overdue);
            Ok::<_, StoreError>((log, progress, problems))
        };
        let (log, progress, mut problems, problem) = match asked.await {
            Ok((log, progress, problems)) => (Some(log), Some(progress), problems, None),
            Err(error) => (None, None, vec![error.to_string()], Some(error.to_string())),
        };
        let relay = with_relay.then(|| source.status());
        for own in relay.iter().flat_map(PublisherStatus::problems) {
            // The registry has it as well, with the relay's name.
            if !problems.iter().any(|problem| problem.ends_with(&own)) {
                problems.push(own);
            }
        }
        SourceStatus { database: source.name.clone(), log, progress, problem, problems, relay }
    });
    futures_util::future::join_all(ask).await
}

/// How old a pending event may be, in seconds, before an operator should know.
const OLDEST_PENDING: f64 = 60.0;

/// How long events may be pending, in seconds, while relays share the partitions anew.
const REBALANCE: f64 = 5.0;

/// What an operator should act on, as the database shows it.
fn problems(log: &LogStatus, relays: &[Relay], overdue: i64) -> Vec<String> {
    let mut problems = Vec::new();
    let alive = || relays.iter().filter(|relay| relay.alive);
    if log.failed > 0 {
        problems
            .push(format!("{} events have failed and block their keys: requeue or skip them", log.failed));
    }
    if overdue > 0 {
        problems.push(format!("{overdue} scheduled events are overdue"));
    }
    for relay in alive() {
        problems.extend(relay.problems.iter().map(|problem| format!("relay {}: {problem}", relay.name)));
    }
    if log.pending > 0 {
        let owned: usize = alive().map(|relay| relay.partitions.len()).sum();
        let all = usize::from(relay::PARTITIONS.unsigned_abs());
        if alive().next().is_none() {
            problems.push(format!("{} events are pending and no relay runs", log.pending));
        } else if owned == 0 {
            problems.push(format!("{} events are pending and no relay can publish them", log.pending));
        } else if owned < all && log.oldest_pending_age_seconds > REBALANCE {
            problems
                .push(format!("events are pending and nobody publishes {} of {all} partitions", all - owned));
        }
        let age = log.oldest_pending_age_seconds;
        if age > OLDEST_PENDING {
            problems.push(format!("the oldest pending event waits since {age:.0} s"));
        }
    }
    problems
}

/// The relays of one database.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceRelays {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// The oldest registration first; none while the database is unavailable.
    pub(crate) relays: Vec<Relay>,
    /// Why there are none.
    pub(crate) problem: Option<String>,
}

/// Asks all databases for their relays, side by side.
pub(crate) async fn relays(sources: &Sources) -> Vec<SourceRelays> {
    let ask = sources.iter().map(|source| async move {
        let (relays, problem) =
            match read_within("read the relay registry", || relays::list(&source.pool)).await {
                Ok(relays) => (relays, None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
        SourceRelays { database: source.name.clone(), relays, problem }
    });
    futures_util::future::join_all(ask).await
}

/// An event, and the database that has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Found {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    #[serde(flatten)]
    pub(crate) event: LoggedEvent,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// No log has the event that the list should go on after.
    #[error("no log of this relay has the event {0}, which the list should go on after")]
    NoSuchEvent(Uuid),
    /// No database answered.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The newest events that match, over all databases, after the one called `before`. Each log's own events are in the
/// order of their positions; those of several logs are put together by the times at which they were written.
///
/// An unavailable database is left out and named in the log; it is an error if all are unavailable.
pub(crate) async fn list(
    sources: &Sources,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Found>, ListError> {
    let place = match before {
        Some(id) => Some(place(sources, id).await?.ok_or(ListError::NoSuchEvent(id))?),
        None => None,
    };
    let (mut logs, mut last_error) = (Vec::new(), None);
    for source in sources {
        let before = match &place {
            None => Before::End,
            Some((database, position, _)) if *database == source.name => Before::Position(*position),
            Some((_, _, time)) => Before::Time(*time),
        };
        match read_within("list events", || events::list(&source.pool, filter, before, limit)).await {
            Ok(events) => logs.push((source.name.as_str(), events.into_iter().peekable())),
            Err(error) => {
                tracing::warn!(database = source.name, %error, "left out of a list of events");
                last_error = Some(error);
            }
        }
    }
    if let Some(error) = last_error.filter(|_| logs.is_empty()) {
        return Err(error.into());
    }
    let newest = move || {
        let heads = logs.iter_mut().filter_map(|(name, log)| Some((log.peek()?.created_at, *name, log)));
        let (_, name, log) = heads.max_by_key(|(written, ..)| *written)?;
        log.next().map(|event| Found { database: name.to_owned(), event })
    };
    Ok(std::iter::from_fn(newest).take(usize::try_from(limit).unwrap_or_default()).collect())
}

/// The database that has an event, the event's position there, and when it was written.
async fn place(sources: &Sources, id: Uuid) -> Result<Option<(String, i64, DateTime<Utc>)>, StoreError> {
    let mut last_error = None;
    for source in sources {
        match read_within("find an event", || events::place(&source.pool, id)).await {
            Ok(Some((position, written))) => return Ok(Some((source.name.clone(), position, written))),
            Ok(None) => {}
            Err(error) => last_error = Some(error),
        }
    }
    last_error.map_or(Ok(None), Err)
}

/// The event with this id, in whichever database. An error if no database that answers has it and another did
/// not answer.
async fn find(sources: &Sources, id: Uuid) -> Result<Option<(&Source, Found)>, StoreError> {
    let mut last_error = None;
    for source in sources {
        match read_within("find an event", || events::find(&source.pool, id)).await {
            Ok(Some(event)) => return Ok(Some((source, Found { database: source.name.clone(), event }))),
            Ok(None) => {}
            Err(error) => last_error = Some(error),
        }
    }
    last_error.map_or(Ok(None), Err)
}

/// An operator's decision about a failed event.
pub(crate) enum Decision<'a> {
    /// Try again.
    Requeue,
    /// Publish the later events of its key without it.
    Skip { by: &'a str, reason: &'a str },
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requeue => f.write_str("requeue"),
            Self::Skip { reason, .. } => write!(f, "skip: {reason}"),
        }
    }
}

/// The outcome of a decision.
pub(crate) enum Decided {
    Done(Box<Found>),
    /// The event has not failed.
    NotFailed(Box<Found>),
    Unknown,
}

/// Carries out a decision in the database that has the event.
pub(crate) async fn decide(
    sources: &Sources,
    id: Uuid,
    decision: &Decision<'_>,
) -> Result<Decided, StoreError> {
    let Some((source, found)) = find(sources, id).await? else { return Ok(Decided::Unknown) };
    let done = match decision {
        Decision::Requeue => within("requeue an event", events::requeue(&source.pool, &[id])).await?,
        Decision::Skip { by, reason } => {
            within("skip an event", events::skip(&source.pool, &[id], by, reason)).await?
        }
    };
    if done == 0 {
        return Ok(Decided::NotFailed(Box::new(found)));
    }
    let event = read_within("find an event", || events::find(&source.pool, id)).await?;
    Ok(event.map_or(Decided::Unknown, |event| {
        Decided::Done(Box::new(Found { database: source.name.clone(), event }))
    }))
}
