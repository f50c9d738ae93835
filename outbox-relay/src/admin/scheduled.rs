//! The scheduled events of all databases.

use serde::Serialize;
use uuid::Uuid;

use super::Sources;
use crate::store::{
    StoreError,
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

/// The scheduled events that are due first, at most `limit` of them. An error if a database does not answer.
pub(crate) async fn list(sources: &Sources, limit: i64) -> Result<Vec<Scheduled>, StoreError> {
    let mut all = Vec::new();
    for source in sources {
        let events = within("list scheduled events", scheduled::list(&source.pool, limit)).await?;
        all.extend(events.into_iter().map(|event| Scheduled { database: source.name.clone(), event }));
    }
    all.sort_by_key(|scheduled| scheduled.event.due);
    all.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(all)
}

/// Cancels a scheduled event in the database that has it. Returns `false` if none has it.
pub(crate) async fn cancel(sources: &Sources, id: Uuid) -> Result<bool, StoreError> {
    for source in sources {
        if within("cancel a scheduled event", scheduled::cancel(&source.pool, id)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
