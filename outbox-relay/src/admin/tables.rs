//! Output for a terminal.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    Found, SourceStatus, audit::Report, bulk::Done, check::Check, replay::Replayed, restore::Restored,
    scheduled::Scheduled,
};

/// Prints JSON, for programs.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

/// How each database stands.
pub(crate) fn status(statuses: &[SourceStatus]) -> String {
    let mut table = table(&["database", "pending", "oldest", "failed", "relays", "problems"]);
    for status in statuses {
        let (pending, oldest, failed, relays) = match &status.log {
            Some(log) => (
                if log.is_counted { log.pending.to_string() } else { format!("at least {}", log.pending) },
                format!("{:.1} s", log.oldest_pending_age_seconds),
                log.failed.to_string(),
                log.relays.to_string(),
            ),
            None => ("?".into(), "?".into(), "?".into(), "?".into()),
        };
        let problems = status.problems.join("\n");
        table.add_row([status.database.clone(), pending, oldest, failed, relays, problems]);
    }
    table.to_string()
}

/// A list of events.
pub(crate) fn events(events: &[Found]) -> String {
    let mut table = table(&["created", "event id", "type", "key", "version", "state", "sent", "note"]);
    for Found { event, .. } in events {
        let note = match (&event.skip_reason, &event.last_error) {
            (Some(reason), _) => format!("skipped: {reason}"),
            (None, Some(error)) => error.clone(),
            (None, None) => String::new(),
        };
        table.add_row([
            event.created_at.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            event.event_id.to_string(),
            event.event_type.clone(),
            event.key.clone(),
            event.key_version.to_string(),
            event.state.clone(),
            event.times_sent.to_string(),
            note,
        ]);
    }
    table.to_string()
}

/// What a replay did.
pub(crate) fn replayed(replayed: &[Replayed], dry_run: bool) -> String {
    let mut table =
        table(&["database", "events", if dry_run { "would be sent" } else { "confirmed" }, "problem"]);
    for one in replayed {
        let sent = if dry_run { one.events } else { one.confirmed };
        let problem = one.problem.clone().unwrap_or_default();
        table.add_row([one.database.clone(), one.events.to_string(), sent.to_string(), problem]);
    }
    table.to_string()
}

/// What an audit found.
pub(crate) fn audit(report: &Report) -> String {
    let head = [
        "type",
        "committed",
        "pending",
        "failed",
        "published",
        "consumed",
        "waiting",
        "dead",
        "missing",
        "unknown",
    ];
    let mut table = table(&head);
    for one in &report.types {
        let consumed: Vec<_> = one.consumed.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let figures = [one.committed, one.pending, one.failed, one.published].map(|count| count.to_string());
        let rest = [one.waiting, one.dead_lettered, one.missing, one.unknown].map(|count| count.to_string());
        let consumed = consumed.join(", ");
        table.add_row([one.event_type.clone()].into_iter().chain(figures).chain([consumed]).chain(rest));
    }
    let from = report.from.format("%Y-%m-%d %H:%M:%S");
    let verdict = match report.missing {
        0 => "nothing is missing".to_owned(),
        missing => format!("{missing} events are missing: `replay --missing CONSUMER` sends them"),
    };
    format!("{table}\nsince {from}, {verdict}{}", unknown(report))
}

/// The events that subscribers know and a restored log does not.
pub(crate) fn unknown(report: &Report) -> String {
    if report.unknown == 0 {
        return String::new();
    }
    let mut table = table(&["subscriber", "event id", "type", "key", "version"]);
    for event in &report.unknown_events {
        table.add_row([
            event.consumer.clone(),
            event.event_id.to_string(),
            event.event_type.clone(),
            event.key.clone(),
            event.key_version.to_string(),
        ]);
    }
    let count = report.unknown;
    format!(
        "\n{count} events were received that no log has, since a log was restored; the first of them:\n{table}"
    )
}

/// What decisions about many events have done.
pub(crate) fn bulk(done: &[Done], dry_run: bool) -> String {
    let mut table = table(&["database", if dry_run { "would be changed" } else { "changed" }]);
    for one in done {
        let count = if dry_run { one.matched } else { one.changed };
        table.add_row([one.database.clone(), count.to_string()]);
    }
    table.to_string()
}

/// What was checked.
pub(crate) fn checks(checks: &[Check]) -> String {
    let mut table = table(&["of", "what", "result"]);
    for check in checks {
        let result = check.problem.clone().unwrap_or_else(|| "right".to_owned());
        table.add_row([check.of.clone(), check.what.to_owned(), result]);
    }
    table.to_string()
}

/// Scheduled events.
pub(crate) fn scheduled(events: &[Scheduled]) -> String {
    let mut table = table(&["due", "id", "type", "key", "database"]);
    for Scheduled { database, event } in events {
        table.add_row([
            event.due.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            event.scheduled_id.to_string(),
            event.event_type.clone(),
            event.key.clone(),
            database.clone(),
        ]);
    }
    table.to_string()
}

/// What a restore has done and found.
pub(crate) fn restored(restored: &Restored) -> String {
    let Restored { database, generation, report } = restored;
    let known = match report.unknown {
        0 => "\nno subscriber has received an event that the log does not have".to_owned(),
        _ => unknown(report),
    };
    format!("{database}: generation {generation} has begun; what is published from now on is newer{known}")
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(head.iter().copied());
    table
}
