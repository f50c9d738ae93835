//! The result of an audit.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::unknown::UnknownEvent;
use crate::{
    admin::subscribers::Subscriber,
    store::counters::{Settled, Unpublished},
};

/// What became of the events, for each type.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Report {
    /// The time from which on events were compared.
    pub(crate) from: DateTime<Utc>,
    /// Each type of event that is in a log.
    pub(crate) types: Vec<TypeReport>,
    /// Published events that a subscriber should have and that are in no inbox and no queue.
    pub(crate) missing: u64,
    /// Events that a subscriber has and that its log does not have: the log was restored.
    pub(crate) unknown: u64,
    /// The first of them.
    pub(crate) unknown_events: Vec<UnknownEvent>,
    #[serde(skip)]
    consumers: Vec<String>,
}

/// What became of the events of one type. The last three figures are sums over the subscribers.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct TypeReport {
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// All that are in the logs: pending, failed, skipped and published.
    pub(crate) committed: u64,
    pub(crate) pending: u64,
    /// Those that failed and wait for an operator.
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) published: u64,
    /// How many of those published each subscriber has entered in its inbox.
    pub(crate) consumed: BTreeMap<String, u64>,
    /// Still in a subscriber's queue.
    pub(crate) waiting: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) missing: u64,
    /// Received, and in no log.
    pub(crate) unknown: u64,
}

impl Report {
    pub(crate) fn new(from: DateTime<Utc>, subscribers: &[Subscriber]) -> Self {
        Self {
            from,
            types: Vec::new(),
            missing: 0,
            unknown: 0,
            unknown_events: Vec::new(),
            consumers: subscribers.iter().map(|subscriber| subscriber.name.clone()).collect(),
        }
    }

    /// Adds the unpublished events of a type.
    pub(super) fn unpublished(&mut self, counted: &Unpublished) {
        let (pending, failed) = (counted.pending.unsigned_abs(), counted.failed.unsigned_abs());
        let of_type = self.of_type(&counted.event_type);
        of_type.pending += pending;
        of_type.failed += failed;
        of_type.committed += pending + failed;
    }

    /// Adds an event that was published or skipped.
    pub(super) fn settled(&mut self, event: &Settled) {
        let of_type = self.of_type(&event.event_type);
        of_type.committed += 1;
        if event.published {
            of_type.published += 1;
        } else {
            of_type.skipped += 1;
        }
    }

    /// Adds an event that a subscriber has.
    pub(super) fn consumed(&mut self, consumer: &str, event_type: &str) {
        if let Some(count) = self.of_type(event_type).consumed.get_mut(consumer) {
            *count += 1;
        }
    }

    /// Whether a subscriber has any of these.
    pub(super) fn has_consumed(&self, consumer: &str, event_type: &str) -> bool {
        let of_type = self.types.iter().find(|known| known.event_type == event_type);
        of_type.and_then(|known| known.consumed.get(consumer)).is_some_and(|count| *count > 0)
    }

    /// Adds the events that a subscriber lacks, by reason.
    pub(super) fn absent(&mut self, event_type: &str, dead: u64, waiting: u64, missing: u64) {
        self.missing += missing;
        let of_type = self.of_type(event_type);
        of_type.dead_lettered += dead;
        of_type.waiting += waiting;
        of_type.missing += missing;
    }

    /// The report of a type; the list is in the order of the types.
    pub(super) fn of_type(&mut self, event_type: &str) -> &mut TypeReport {
        let place = self.types.partition_point(|known| known.event_type.as_str() < event_type);
        if self.types.get(place).is_none_or(|known| known.event_type != event_type) {
            let consumed = self.consumers.iter().map(|name| (name.clone(), 0)).collect();
            let new = TypeReport { event_type: event_type.to_owned(), consumed, ..TypeReport::default() };
            self.types.insert(place, new);
        }
        &mut self.types[place]
    }
}
