//! The scheduled events of all databases.

use serde::Serialize;
use uuid::Uuid;

use super::Sources;
use crate::store::{
    StoreError, read_within,
    scheduled::{self, ScheduledEvent},
    within,
};

/// A scheduled event, and the database that has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Scheduled {
    /// The database's name in the relay's settings.
    pub(crate) database: String,
    #[serde(flatten)]
    pub(crate) event: ScheduledEvent,
}

/// Events that are to be announced later.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ScheduledEvents {
    /// How many there are.
    pub(crate) count: i64,
    /// Those that are due first.
    pub(crate) data: Vec<Scheduled>,
    /// The databases that did not answer, each with the reason. Their events are not counted.
    pub(crate) problems: Vec<String>,
}

/// The scheduled events that are due first, at most `limit` of them. An error if no database answers.
pub(crate) async fn list(sources: &Sources, limit: i64) -> Result<ScheduledEvents, StoreError> {
    let mut all = ScheduledEvents { count: 0, data: Vec::new(), problems: Vec::new() };
    let mut last_error = None;
    for source in sources {
        let ask = async {
            let count = read_within("count scheduled events", || scheduled::count(&source.pool)).await?;
            Ok((count, read_within("list scheduled events", || scheduled::list(&source.pool, limit)).await?))
        };
        match ask.await {
            Ok((count, events)) => {
                all.count += count;
                let named = |event| Scheduled { database: source.name.clone(), event };
                all.data.extend(events.into_iter().map(named));
            }
            Err(error) => {
                all.problems.push(format!("{}: {error}", source.name));
                last_error = Some(error);
            }
        }
    }
    if let Some(error) = last_error.filter(|_| all.problems.len() == sources.len()) {
        return Err(error);
    }
    all.data.sort_by_key(|scheduled| scheduled.event.due);
    all.data.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(all)
}

/// Cancels a scheduled event in the database that has it. Returns `false` if none has it; an error if none that answers
/// has it and another did not answer.
pub(crate) async fn cancel(sources: &Sources, id: Uuid) -> Result<bool, StoreError> {
    let mut last_error = None;
    for source in sources {
        match within("cancel a scheduled event", scheduled::cancel(&source.pool, id)).await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => last_error = Some(error),
        }
    }
    last_error.map_or(Ok(false), Err)
}
