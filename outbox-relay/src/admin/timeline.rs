//! The timeline of one event.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Found, Sources, find,
    subscribers::{Delivery, Subscriber, deliveries},
};
use crate::store::StoreError;

/// An event, and what became of it at each subscriber.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Timeline {
    #[serde(flatten)]
    pub(crate) found: Found,
    /// Only subscribers whose databases are configured.
    pub(crate) deliveries: Vec<Delivery>,
}

impl Timeline {
    /// Finds an event in the logs, and its entries in the inboxes; `None` where no log has it.
    pub(crate) async fn of(
        id: Uuid,
        sources: &Sources,
        subscribers: &[Subscriber],
    ) -> Result<Option<Self>, StoreError> {
        let Some((_, found)) = find(sources, id).await? else { return Ok(None) };
        let deliveries = deliveries(subscribers, id, &found.event.event_type).await;
        Ok(Some(Self { found, deliveries }))
    }

    /// A head, and a line for each step in the order of time.
    pub(crate) fn text(&self) -> String {
        let Found { database, event } = &self.found;
        let trace = event.headers.trace_id().map(|id| format!(", trace {id}")).unwrap_or_default();
        let mut lines = vec![
            format!("{} {}", event.event_type, event.event_id),
            format!("{} version {}, in {database}: {}{trace}", event.key, event.key_version, event.state),
            String::new(),
        ];
        let mut happened = self.happened();
        happened.sort_by_key(|(at, _)| *at);
        let time = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        lines.extend(happened.iter().map(|(at, what)| format!("{}  {what}", time(at))));
        lines.extend(self.open().iter().map(|what| format!("{:26}  {what}", "-")));
        lines.join("\n")
    }

    fn happened(&self) -> Vec<(DateTime<Utc>, String)> {
        let event = &self.found.event;
        let mut happened = vec![(event.created_at, "committed".to_owned())];
        if let Some(at) = event.published_at {
            let times = match event.times_sent {
                1 => "once".to_owned(),
                times => format!("{times} times until now"),
            };
            happened.push((at, format!("published: the broker confirmed it, {times}")));
        }
        if let (Some(at), Some(by), Some(reason)) = (event.skipped_at, &event.skipped_by, &event.skip_reason)
        {
            happened.push((at, format!("skipped by {by}: {reason}")));
        }
        for delivery in &self.deliveries {
            let Some(received) = &delivery.received else { continue };
            let again = if received.redelivered { ", redelivered flag set" } else { "" };
            let (consumer, effect) = (&delivery.consumer, &received.effect);
            happened.push((received.received_at, format!("received by {consumer}{again}, {effect}")));
        }
        happened
    }

    /// The steps that are missing or unknown.
    fn open(&self) -> Vec<String> {
        let event = &self.found.event;
        let mut open = Vec::new();
        match (&event.last_error, event.state.as_str()) {
            (Some(error), "PublishedFailed") if event.skipped_at.is_none() => {
                open.push(format!("failed, its key is blocked; requeue or skip it: {error}"));
            }
            (Some(error), "PublishedFailed") => open.push(format!("failed: {error}")),
            (_, "NotPublished") => open.push("waits to be published".to_owned()),
            _ => {}
        }
        for delivery in &self.deliveries {
            match &delivery.problem {
                Some(problem) => open.push(format!("{} {problem}", delivery.consumer)),
                None if delivery.received.is_none() => {
                    open.push(format!("not in the inbox of {}", delivery.consumer));
                }
                None => {}
            }
        }
        open
    }
}
