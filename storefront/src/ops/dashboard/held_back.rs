//! What keeps events from being published: types that the broker does not take, and relays without a broker.

use chrono::{DateTime, Utc};

use super::snapshot::Snapshot;
use crate::pages::count;

/// The events of a type that wait.
pub(crate) struct Held {
    pub(crate) database: String,
    pub(crate) kind: String,
    pub(crate) waiting: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) reason: String,
}

impl Held {
    /// Since when, for people.
    pub(crate) fn since_text(&self) -> String {
        self.since.format("%H:%M:%S").to_string()
    }
}

/// The types that are held back, by database. Several relays may each hold some events of a type.
pub(crate) fn held_back(now: &Snapshot) -> Vec<Held> {
    let mut all: Vec<(&str, &str, &str, DateTime<Utc>, u64)> = Vec::new();
    for (_, status) in &now.relays {
        for source in status.iter().flatten() {
            for held in source.relay.iter().flat_map(|relay| &relay.held_back) {
                let known = all.iter_mut().find(|(database, kind, reason, ..)| {
                    (*database, *kind, *reason) == (&source.database, &held.event_type, &held.reason)
                });
                if let Some((.., since, waiting)) = known {
                    *since = held.since.min(*since);
                    *waiting += held.waiting;
                } else {
                    all.push((&source.database, &held.event_type, &held.reason, held.since, held.waiting));
                }
            }
        }
    }
    let held = |(database, kind, reason, since, waiting): (&str, &str, &str, _, u64)| Held {
        database: database.to_owned(),
        kind: kind.to_owned(),
        waiting: count(waiting),
        since,
        reason: reason.to_owned(),
    };
    all.into_iter().map(held).collect()
}

/// What relays lack, each in a sentence: of those of the settings, and of others that are registered.
pub(crate) fn problems(now: &Snapshot) -> Vec<String> {
    let mut problems = Vec::new();
    let configured: Vec<&str> = now.relays.iter().map(|(name, _)| name.as_str()).collect();
    for (name, status) in &now.relays {
        let Ok(databases) = status else {
            problems.push(format!("{name} does not answer."));
            continue;
        };
        for source in databases {
            let Some(relay) = &source.relay else { continue };
            let lacking = [("database", &relay.database_problem), ("broker", &relay.broker_problem)];
            for (what, problem) in lacking {
                let Some(problem) = problem else { continue };
                problems.push(format!("{name} has no {what} for {}: {problem}", source.database));
            }
        }
    }
    let answered = now.relays.iter().find_map(|(_, status)| status.as_ref().ok());
    for source in answered.into_iter().flatten() {
        // In the registry, with their names.
        let others = source.problems.iter().filter(|problem| {
            let name = problem.strip_prefix("relay ").and_then(|rest| rest.split_once(':'));
            name.is_some_and(|(name, why)| !configured.contains(&name) && why.trim_start().starts_with("no "))
        });
        problems.extend(others.map(|problem| format!("{}: {problem}", source.database)));
    }
    problems
}
