//! The relays, and the partitions that each of them owns.

use super::snapshot::Snapshot;
use crate::ops::answers::{DatabaseRelays, RegisteredRelay};

/// The partitions of an outbox.
const PARTITIONS: usize = 64;

/// A relay: its process, its entries in the registries, or both.
pub(crate) struct RelayCard {
    pub(crate) name: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) status: &'static str,
    pub(crate) class: &'static str,
    pub(crate) since: String,
    pub(crate) owned: usize,
    /// Whether it is a process of the settings, which the tool may kill.
    pub(crate) is_configured: bool,
    pub(crate) answers: bool,
}

/// The letter and the colour of a relay on the partition maps.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) letter: char,
    pub(crate) colour: usize,
}

/// Who owns each partition of one database.
pub(crate) struct PartitionMap {
    pub(crate) database: String,
    pub(crate) cells: Vec<Cell>,
}

/// A partition.
pub(crate) struct Cell {
    pub(crate) owner: Option<Mark>,
    pub(crate) title: String,
}

/// The names of all registered relays. The place of a name decides the mark.
fn names(registries: &[DatabaseRelays]) -> Vec<&str> {
    let mut names = Vec::new();
    for relay in registries.iter().flat_map(|registry| &registry.relays) {
        if !names.contains(&relay.name.as_str()) {
            names.push(relay.name.as_str());
        }
    }
    names
}

fn mark(names: &[&str], name: &str) -> Option<Mark> {
    let index = names.iter().position(|known| *known == name)?;
    let offset = u8::try_from(index % 26).ok()?;
    Some(Mark { letter: char::from(b'A' + offset), colour: index % 6 + 1 })
}

/// The configured relays, and behind them the others that are registered.
pub(crate) fn cards(now: &Snapshot) -> Vec<RelayCard> {
    let registries = now.registries.as_deref().unwrap_or_default();
    let names = names(registries);
    let configured = now.relays.iter().map(|(name, status)| (name.as_str(), Some(status.is_ok())));
    let is_configured = |name: &str| now.relays.iter().any(|(known, _)| known == name);
    let others = names.iter().filter(|name| !is_configured(name)).map(|name| (*name, None));
    configured.chain(others).map(|(name, answers)| card(name, answers, &names, registries)).collect()
}

/// `answers` is `None` for a relay that is not configured here.
fn card(name: &str, answers: Option<bool>, names: &[&str], registries: &[DatabaseRelays]) -> RelayCard {
    // The last entry of a name counts: the others are left over from a killed process.
    let entries: Vec<&RegisteredRelay> = registries
        .iter()
        .filter_map(|registry| registry.relays.iter().rfind(|relay| relay.name == name))
        .collect();
    let owned = entries.iter().map(|relay| relay.partitions.len()).sum();
    let (status, class) = match (answers, entries.iter().any(|relay| relay.alive)) {
        (Some(true) | None, true) => ("running", "ok"),
        (Some(true), false) => ("running, owns nothing yet", "busy"),
        (Some(false), true) => ("no answer, but its lease is still valid", "error"),
        (Some(false), false) => ("no answer", "unavailable"),
        (None, false) => ("ended", "unavailable"),
    };
    let since = entries.iter().map(|relay| relay.since).max();
    RelayCard {
        name: name.to_owned(),
        mark: mark(names, name).filter(|_| owned > 0),
        status,
        class,
        since: since.map(|since| since.format("%H:%M:%S").to_string()).unwrap_or_default(),
        owned,
        is_configured: answers.is_some(),
        answers: answers.unwrap_or_default(),
    }
}

/// A map for each database; `None` where no relay answers.
pub(crate) fn maps(now: &Snapshot) -> Option<Vec<PartitionMap>> {
    let registries = now.registries.as_deref().ok()?;
    let names = names(registries);
    let cell = |registry: &DatabaseRelays, partition: usize| {
        let owner = registry.relays.iter().find(|relay| relay.partitions.contains(&partition));
        let name = owner.map_or("no owner", |relay| relay.name.as_str());
        Cell { owner: mark(&names, name), title: format!("partition {partition}: {name}") }
    };
    let map = |registry: &DatabaseRelays| PartitionMap {
        database: registry.database.clone(),
        cells: (0..PARTITIONS).map(|partition| cell(registry, partition)).collect(),
    };
    Some(registries.iter().map(map).collect())
}
