//! What the dashboard shows.

use super::charts::{Chart, charts};
use super::held_back::{Held, held_back};
use super::pipeline::{Stage, pipeline};
use super::relays::{PartitionMap, RelayCard, cards, maps};
use super::samples::Samples;
use super::snapshot::Snapshot;
use crate::ops::answers::InboxStatus;
use crate::ops::event_row::Row;
use crate::pages::{count, title};

/// What the dashboard shows.
pub(crate) struct Dashboard {
    /// The state of the whole pipeline in a sentence.
    pub(crate) summary: String,
    pub(crate) is_ok: bool,
    pub(crate) stages: Vec<Stage>,
    pub(crate) charts: Vec<Chart>,
    pub(crate) relays: Vec<RelayCard>,
    /// `None` where no relay answers.
    pub(crate) maps: Option<Vec<PartitionMap>>,
    /// The newest events, or why they are unknown.
    pub(crate) newest: Result<Vec<Row>, String>,
    /// The types of which events wait.
    pub(crate) held: Vec<Held>,
    /// Failed events, which block their keys.
    pub(crate) failed: i64,
    /// Keys that wait for an operator at a subscriber.
    pub(crate) blocked: u64,
    /// Dead letters of all subscribers that answer.
    pub(crate) dead: u64,
}

impl Dashboard {
    pub(super) fn new(now: &Snapshot, samples: &Samples) -> Self {
        let stages = pipeline(now, samples);
        let newest = now.newest.as_ref().map_err(crate::clients::ClientError::message);
        Self {
            summary: summary(now),
            is_ok: stages.iter().flat_map(|stage| &stage.cards).all(|card| card.status.is_ok()),
            stages,
            charts: charts(now.at, samples),
            relays: cards(now),
            maps: maps(now),
            newest: newest.map(|events| events.iter().map(Row::new).collect()),
            held: held_back(now),
            failed: now
                .outboxes
                .iter()
                .filter_map(|(_, outbox)| Some(outbox.as_ref().ok()?.log.failed))
                .sum(),
            blocked: now
                .inboxes
                .iter()
                .filter_map(|(_, inbox)| Some(inbox.as_ref().ok()?.blocked_keys()))
                .sum(),
            dead: now.inboxes.iter().filter_map(|(_, inbox)| dead(inbox.as_ref().ok()?)).sum(),
        }
    }
}

fn dead(inbox: &InboxStatus) -> Option<u64> {
    inbox.queues.as_ref().map(|queues| queues.dead)
}

fn summary(now: &Snapshot) -> String {
    let absent = now.outboxes.iter().find(|(_, outbox)| outbox.is_err());
    if let Some((name, _)) = absent {
        return format!(
            "{} does not answer. Nothing is lost: its events are stored in its database.",
            title(name)
        );
    }
    let logs = || now.outboxes.iter().filter_map(|(_, outbox)| Some(&outbox.as_ref().ok()?.log));
    let pending: i64 = logs().map(|log| log.pending).sum();
    let waiting = match pending {
        0 => "No event waits".to_owned(),
        1 => "1 event waits".to_owned(),
        more => format!("{} events wait", count(more)),
    };
    if now.is_without_relay() {
        return format!(
            "{waiting}: no relay is running. Nothing is lost: the next relay starts with the oldest event."
        );
    }
    let absent = now.inboxes.iter().find(|(_, inbox)| inbox.is_err());
    if let Some((name, _)) = absent {
        return format!("{} does not answer. Its events wait in its queue.", title(name));
    }
    if logs().any(|log| log.failed > 0) {
        return "An event cannot be published. It blocks its key until you decide.".to_owned();
    }
    let inboxes = || now.inboxes.iter().filter_map(|(_, inbox)| inbox.as_ref().ok());
    if inboxes().any(|inbox| inbox.queues.is_none()) {
        return format!("{waiting}: the broker does not answer.");
    }
    if let Some(held) = held_back(now).first() {
        return format!("Events of type {} wait: {}. Other types flow.", held.kind, held.reason);
    }
    if inboxes().any(|inbox| dead(inbox) > Some(0)) {
        return "A message could not be handled: see the dead letters.".to_owned();
    }
    if inboxes().any(|inbox| inbox.blocked_keys() > 0) {
        return "An event fails again and again. It blocks its key until you requeue or skip it.".to_owned();
    }
    if pending > 0 || inboxes().any(|inbox| inbox.queued() > Some(0)) {
        return "Events are on their way.".to_owned();
    }
    "All is quiet: every event has arrived.".to_owned()
}
