//! Events that a subscriber has received and that no log has: the log was restored from an older backup.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{PAGE, report::Report};
use crate::{
    admin::subscribers::Subscriber,
    source::Source,
    store::{generation, within},
};

/// How many of them a report names.
const NAMED: usize = 100;

/// An event that a subscriber has received and that its log does not have.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnknownEvent {
    /// The subscriber.
    pub(crate) consumer: String,
    /// The event's id.
    pub(crate) event_id: Uuid,
    /// Its type.
    pub(crate) event_type: String,
    /// What it is about.
    pub(crate) key: String,
    /// The version that the subscriber knows of the key.
    pub(crate) key_version: i64,
}

/// Looks the events that subscribers received from `source` up in its log.
pub(crate) async fn find(
    source: &Source,
    subscribers: &[Subscriber],
    from: DateTime<Utc>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let complete = generation::complete_since(&source.pool);
    let Some(since) = within("find the beginning of the log", complete).await? else { return Ok(()) };
    for subscriber in subscribers {
        let mut after = Uuid::nil();
        loop {
            let page = subscriber.received_after(&source.uri, from.max(since), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.event_id;
            let ids: Vec<Uuid> = page.iter().map(|event| event.event_id).collect();
            let known = within("look events up in the log", generation::known(&source.pool, &ids)).await?;
            for event in page.into_iter().filter(|event| !known.contains(&event.event_id)) {
                report.unknown(UnknownEvent {
                    consumer: subscriber.name.clone(),
                    event_id: event.event_id,
                    event_type: event.event_type,
                    key: event.key,
                    key_version: event.key_version,
                });
            }
        }
    }
    Ok(())
}

impl Report {
    fn unknown(&mut self, event: UnknownEvent) {
        self.unknown += 1;
        self.of_type(&event.event_type).unknown += 1;
        if self.unknown_events.len() < NAMED {
            self.unknown_events.push(event);
        }
    }
}
