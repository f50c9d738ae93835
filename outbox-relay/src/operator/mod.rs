//! What an operator sees and steers: over HTTP and on the command line, by the same functions.

pub(crate) mod audit;
pub(crate) mod consumers;
pub(crate) mod http;
pub(crate) mod replay;
pub(crate) mod show;
pub(crate) mod tables;

use std::sync::Arc;

use event_bus::outbox::{
    log::{self, Filter, LogStatus, LoggedEvent},
    membership::{self, Progress, Relay},
};
use serde::Serialize;
use uuid::Uuid;

use crate::relay::{Source, Standing, Trouble, within};

/// The most events that a list has.
pub(crate) const LIST_LIMIT: i64 = 1_000;

/// The databases of this relay.
pub(crate) type Sources = Vec<Arc<Source>>;

/// How one database stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceStatus {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// What its log says; absent while the database is away.
    pub(crate) log: Option<LogStatus>,
    /// How far its log has come; absent while the database is away.
    pub(crate) progress: Option<Progress>,
    /// Why there are no figures.
    pub(crate) problem: Option<String>,
    /// How publishing stands in this relay; absent on the command line, which publishes nothing.
    pub(crate) relay: Option<Standing>,
}

impl SourceStatus {
    /// Whether somebody should look: a database or the broker is away, or an event waits for a decision.
    pub(crate) fn is_troubled(&self) -> bool {
        let stuck = self.log.as_ref().is_none_or(|log| log.failed > 0);
        stuck || self.relay.as_ref().is_some_and(|relay| relay.broker_problem.is_some())
    }
}

/// Asks every database how it stands, side by side.
pub(crate) async fn status(sources: &Sources, with_relay: bool) -> Vec<SourceStatus> {
    let ask = sources.iter().map(|source| async move {
        let asked = async {
            let log = within("read the log's figures", log::status(&source.pool)).await?;
            Ok((log, within("look at the ends of the log", membership::progress(&source.pool)).await?))
        };
        let (figures, problem) = answer_or_problem(asked.await);
        let (log, progress) = figures.unzip();
        let relay = with_relay.then(|| source.standing());
        SourceStatus { database: source.name.clone(), log, progress, problem, relay }
    });
    futures_util::future::join_all(ask).await
}

/// The relays of one database.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceRelays {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    /// The longest at work first; none while the database is away.
    pub(crate) relays: Vec<Relay>,
    /// Why there are none to see.
    pub(crate) problem: Option<String>,
}

/// Asks every database who publishes from it, side by side.
pub(crate) async fn relays(sources: &Sources) -> Vec<SourceRelays> {
    let ask = sources.iter().map(|source| async move {
        let asked = within("look at the relays", membership::relays(&source.pool)).await;
        let (relays, problem) = answer_or_problem(asked);
        SourceRelays { database: source.name.clone(), relays: relays.unwrap_or_default(), problem }
    });
    futures_util::future::join_all(ask).await
}

fn answer_or_problem<T>(asked: Result<T, Trouble>) -> (Option<T>, Option<String>) {
    match asked {
        Ok(answer) => (Some(answer), None),
        Err(trouble) => (None, Some(trouble.to_string())),
    }
}

/// An event, and the database that has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Found {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    #[serde(flatten)]
    pub(crate) event: LoggedEvent,
}

/// The newest events that match, over all databases. A database that is away is left out, and named in the
/// log; an error where all are.
pub(crate) async fn list(sources: &Sources, filter: &Filter, limit: i64) -> Result<Vec<Found>, Trouble> {
    let (mut found, mut last_trouble, mut answered) = (Vec::new(), None, false);
    for source in sources {
        match within("list events", log::list(&source.pool, filter, limit)).await {
            Ok(events) => {
                answered = true;
                found.extend(events.into_iter().map(|event| Found { database: source.name.clone(), event }));
            }
            Err(trouble) => {
                tracing::warn!(database = source.name, %trouble, "left out of a list of events");
                last_trouble = Some(trouble);
            }
        }
    }
    found.sort_unstable_by_key(|found| std::cmp::Reverse(found.event.event_id));
    found.truncate(usize::try_from(limit).unwrap_or_default());
    last_trouble.filter(|_| !answered).map_or(Ok(found), Err)
}

/// The event with this id, wherever it is. An error only where no database that answers has it, and another
/// might.
pub(crate) async fn find(sources: &Sources, id: Uuid) -> Result<Option<Found>, Trouble> {
    Ok(locate(sources, id).await?.map(|(_, found)| found))
}

async fn locate(sources: &Sources, id: Uuid) -> Result<Option<(&Source, Found)>, Trouble> {
    let mut last_trouble = None;
    for source in sources {
        match within("look for an event", log::find(&source.pool, id)).await {
            Ok(Some(event)) => return Ok(Some((source, Found { database: source.name.clone(), event }))),
            Ok(None) => {}
            Err(trouble) => last_trouble = Some(trouble),
        }
    }
    last_trouble.map_or(Ok(None), Err)
}

/// What an operator decides about an event that could not be published.
pub(crate) enum Decision<'a> {
    /// Try again.
    Requeue,
    /// Let the later events of its key pass it.
    Skip { by: &'a str, reason: &'a str },
}

/// What came of a decision.
pub(crate) enum Decided {
    Done(Box<Found>),
    /// The event is not one that could not be published.
    NotFailed(Box<Found>),
    Unknown,
}

/// Carries out a decision, in the database that has the event.
pub(crate) async fn decide(sources: &Sources, id: Uuid, decision: &Decision<'_>) -> Result<Decided, Trouble> {
    let Some((source, found)) = locate(sources, id).await? else { return Ok(Decided::Unknown) };
    let done = match decision {
        Decision::Requeue => within("requeue an event", log::requeue(&source.pool, id)).await?,
        Decision::Skip { by, reason } => {
            within("skip an event", log::skip(&source.pool, id, by, reason)).await?
        }
    };
    if !done {
        return Ok(Decided::NotFailed(Box::new(found)));
    }
    let event = within("look at an event", log::find(&source.pool, id)).await?;
    Ok(event.map_or(Decided::Unknown, |event| {
        Decided::Done(Box::new(Found { database: source.name.clone(), event }))
    }))
}
