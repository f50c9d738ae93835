//! The checks: pure, so that each of them can be shown to fail.

use std::{
    collections::{HashMap, HashSet},
    ops::AddAssign,
};

use serde::Serialize;
use uuid::Uuid;

use super::{
    observations::{Observations, holders},
    recorder::{ONLY_RECORDED, Publication},
};

const PRICE_CHANGED: &str = "shop.catalog.product_price_changed.v1";

/// Whether a fault may have events published more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Repeats {
    /// Nothing was broken between log and broker: nothing may be published twice.
    None,
    /// It may happen.
    #[default]
    Allowed,
    /// The fault was made to provoke it: without one it has not happened.
    Provoked,
}

/// What a fault is meant to leave behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// Poison messages that belong in the dead-letter queue.
    pub(crate) poison: usize,
    /// Events of the harness's own that are in no log.
    pub(crate) forged: HashSet<Uuid>,
    /// Events that no queue is bound for.
    pub(crate) unrouted: HashSet<Uuid>,
    /// Events that a restored log no longer has.
    pub(crate) undone: HashSet<Uuid>,
    /// Events are sent again to an inbox that has later ones of their keys.
    pub(crate) comes_late: bool,
    /// Repeats at the broker.
    pub(crate) repeats: Repeats,
    /// The recorder's binding was deleted: what it recorded says nothing about order.
    pub(crate) is_recorder_blind: bool,
}

/// What the checks have counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    /// Events that the catalog has committed.
    pub(crate) committed: usize,
    /// Promised or committed events that a consumer never got.
    pub(crate) lost: usize,
    /// Effects that happened more than once.
    pub(crate) twice: usize,
    /// Events that changed places within their key.
    pub(crate) out_of_order: usize,
    /// Cart lines with another price than the catalog's.
    pub(crate) wrong_at_rest: usize,
    /// Messages that were published again, and absorbed.
    pub(crate) repeats: usize,
    /// Orders that were placed.
    pub(crate) orders: usize,
    /// Invariants of orders that are broken.
    pub(crate) orders_broken: usize,
    /// Users that have registered.
    pub(crate) users: usize,
}

/// What the checks have found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) found: Found,
    /// Each broken promise, in words.
    pub(crate) violations: Vec<String>,
}

impl AddAssign for Found {
    fn add_assign(&mut self, more: Self) {
        self.committed += more.committed;
        self.lost += more.lost;
        self.twice += more.twice;
        self.out_of_order += more.out_of_order;
        self.wrong_at_rest += more.wrong_at_rest;
        self.repeats += more.repeats;
        self.orders += more.orders;
        self.orders_broken += more.orders_broken;
        self.users += more.users;
    }
}

impl Findings {
    /// Notes what breaks the promise `check`: how many, and the first as an example.
    pub(super) fn note(&mut self, check: &str, broken: impl IntoIterator<Item = String>) -> usize {
        let mut broken = broken.into_iter();
        let Some(first) = broken.next() else { return 0 };
        let count = 1 + broken.count();
        self.violations.push(format!("{check}: {count}, such as {first}"));
        count
    }
}

/// Holds the observations against every promise but those about time and resources.
pub(crate) fn check(observations: &Observations, expected: &Expected) -> Findings {
    let mut findings = Findings::default();
    conserved(observations, expected, &mut findings);
    once(observations, &mut findings);
    findings.found.wrong_at_rest = findings.note("converged", observations.wrong_prices.iter().cloned());
    if !expected.comes_late {
        monotone(observations, &mut findings);
    }
    if !expected.is_recorder_blind {
        let log = observations.log.iter().map(|row| (row.event_id, row.position));
        in_order(log, &observations.publications, &mut findings);
    }
    honest(observations, &mut findings);
    innocents(observations, expected, &mut findings);
    repeated(observations, expected, &mut findings);
    findings
}

/// 1. What was promised is in the log, what is in the log was received, and nothing else was.
fn conserved(observations: &Observations, expected: &Expected, findings: &mut Findings) {
    let logged: HashSet<Uuid> = observations.log.iter().map(|row| row.event_id).collect();
    let received: HashSet<Uuid> = observations.inbox.iter().map(|row| row.event_id).collect();
    let forgotten = observations.promised.iter().filter(|id| !logged.contains(id));
    findings.found.lost += findings.note("promised and not in the log", forgotten.map(Uuid::to_string));
    let seen: HashSet<Uuid> = observations.publications.iter().map(|publication| publication.id).collect();
    let missing = observations.log.iter().filter(|row| {
        let arrived = if row.event_type == ONLY_RECORDED { &seen } else { &received };
        !row.is_skipped && !arrived.contains(&row.event_id) && !expected.unrouted.contains(&row.event_id)
    });
    findings.found.lost += findings.note(
        "committed and never received",
        missing.map(|row| format!("{} of key {}, {}", row.event_id, row.key, row.state)),
    );
    let nowhere = expected.unrouted.iter().filter(|id| !observations.unrouted.contains(id));
    findings.found.lost +=
        findings.note("unroutable and not with the unrouted", nowhere.map(Uuid::to_string));
    let strangers = observations.strangers.iter().filter(|id| !expected.forged.contains(id));
    findings.note("received and never committed", strangers.map(Uuid::to_string));
}

/// 2. No effect twice; and, for buyers who held the product all the time, each effect.
fn once(observations: &Observations, findings: &mut Findings) {
    let doubled = observations.alerts.iter().filter(|(_, count)| **count > 1);
    findings.found.twice += findings.note(
        "told more than once",
        doubled.map(|((event, buyer), count)| format!("{buyer}, {count} times of {event}")),
    );
    let mut entered: HashMap<Uuid, usize> = HashMap::new();
    for row in &observations.inbox {
        *entered.entry(row.event_id).or_default() += 1;
    }
    let again = entered.iter().filter(|(_, count)| **count > 1);
    findings.found.twice +=
        findings.note("entered more than once", again.map(|(event, _)| event.to_string()));
    let untold =
        observations.inbox.iter().filter(|row| row.applied && row.event_type == PRICE_CHANGED).flat_map(
            |row| {
                let untold =
                    |buyer: &&str| !observations.alerts.contains_key(&(row.event_id, (*buyer).to_owned()));
                holders(&row.key).filter(untold).map(|buyer| format!("{buyer} of {}", row.event_id))
            },
        );
    findings.found.lost += findings.note("applied and a buyer was not told", untold);
}

/// 4. What is applied to a product is always newer than what was applied before.
fn monotone(observations: &Observations, findings: &mut Findings) {
    let mut newest: HashMap<(&str, &str), i64> = HashMap::new();
    let backwards = observations.inbox.iter().filter(|row| row.applied).filter_map(|row| {
        let before = newest.insert((&row.key, &row.event_type), row.key_version);
        let before = before.filter(|before| *before >= row.key_version)?;
        Some(format!("version {} of key {} after {before}", row.key_version, row.key))
    });
    let broken: Vec<String> = backwards.collect();
    findings.found.out_of_order += findings.note("applied after a newer one", broken);
    let told = observations.alerts_out_of_order.clone();
    findings.found.out_of_order += findings.note("a buyer was told of a change after a later one", told);
}

/// 5. First publications keep their key's commit order in this log.
pub(super) fn in_order(
    log: impl Iterator<Item = (Uuid, i64)>,
    publications: &[Publication],
    findings: &mut Findings,
) {
    let positions: HashMap<Uuid, i64> = log.collect();
    let mut last: HashMap<&str, i64> = HashMap::new();
    let first = publications.iter().filter(|publication| !publication.is_repeat);
    let overtaken = first.filter_map(|publication| {
        let position = *positions.get(&publication.id)?;
        let before = last.insert(&publication.key, position).filter(|before| *before >= position)?;
        Some(format!("version {} of key {} after position {before}", publication.version, publication.key))
    });
    let broken: Vec<String> = overtaken.collect();
    findings.found.out_of_order += findings.note("published after a later one", broken);
}

/// 6. What is marked published was taken by the broker, so it was recorded or received.
fn honest(observations: &Observations, findings: &mut Findings) {
    let seen: HashSet<Uuid> = observations.publications.iter().map(|publication| publication.id).collect();
    let received: HashSet<Uuid> = observations.inbox.iter().map(|row| row.event_id).collect();
    let invented = observations.log.iter().filter(|row| {
        row.state == "Published"
            && !seen.contains(&row.event_id)
            && !received.contains(&row.event_id)
            && !observations.unrouted.contains(&row.event_id)
    });
    findings.note("marked published and seen nowhere", invented.map(|row| row.event_id.to_string()));
}

/// 7. The dead-letter queue has the poison that was sent, all of it, and nothing else.
fn innocents(observations: &Observations, expected: &Expected, findings: &mut Findings) {
    let (poison, innocents): (Vec<_>, Vec<_>) = observations.dead.iter().partition(|letter| letter.is_poison);
    findings.note(
        "innocent and dead-lettered",
        innocents.iter().map(|letter| format!("{:?}, {}", letter.message_id, letter.reason)),
    );
    if poison.len() != expected.poison {
        let text = format!("dead-lettered poison: {} of {}", poison.len(), expected.poison);
        findings.violations.push(text);
    }
}

/// Repeats are counted; without a reason there may be none.
fn repeated(observations: &Observations, expected: &Expected, findings: &mut Findings) {
    let repeats = observations.publications.iter().filter(|publication| publication.is_repeat);
    findings.found.repeats = repeats.clone().count();
    if expected.repeats == Repeats::None {
        findings
            .note("published again without a reason", repeats.map(|publication| publication.id.to_string()));
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
