//! The proof that nothing was lost: what the logs say was published, against what the inboxes say was
//! received.
//!
//! Memory does not grow with the history: the logs are read page by page, from the newest event back, and
//! each page is looked up in each inbox by id. Dead letters are only counted, not read, so a message in a
//! dead-letter queue excuses one absent event, whichever it is.

mod report;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use event_bus::{
    BrokerSettings,
    broker::{Depths, depths},
    outbox::census::{self, Settled},
};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::report::Report;
use super::{Sources, consumers::Consumer};
use crate::relay::{Source, within};

/// How far back an audit goes where it is not told: inboxes keep their rows for seven days.
pub(crate) const WINDOW: TimeDelta = TimeDelta::days(6);

/// Events of a log that are compared at once.
const PAGE: i64 = 5_000;

/// How far positions and times may disagree in a log.
const DISORDER: TimeDelta = TimeDelta::minutes(5);

/// Absent events of one subscriber that are looked up again: those that were on their way.
const AGAIN_LIMIT: usize = 10_000;

/// How long an event that was on its way may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(5);

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What one subscriber does not have.
#[derive(Default)]
struct Absent {
    /// How many, for each type.
    counts: BTreeMap<String, u64>,
    /// The first of them, to look them up again.
    ids: Vec<(Uuid, String)>,
}

/// Compares what was written at `from` or later; what is not published yet is counted whatever its age.
pub(crate) async fn audit(
    sources: &Sources,
    consumers: &[Consumer],
    broker: &BrokerSettings,
    from: DateTime<Utc>,
) -> anyhow::Result<Report> {
    let mut report = Report::new(from, consumers.iter().map(|consumer| consumer.name.as_str()));
    let mut absent: Vec<Absent> = consumers.iter().map(|_| Absent::default()).collect();
    for source in sources {
        for counted in within("count what is pending", census::unpublished(&source.pool)).await? {
            report.unpublished(&counted);
        }
        walk(source, consumers, from, &mut report, &mut absent).await?;
    }
    for (consumer, absent) in consumers.iter().zip(absent) {
        settle(consumer, absent, broker, &mut report).await?;
    }
    Ok(report)
}

/// Reads one log backwards and looks its events up in the inboxes.
async fn walk(
    source: &Source,
    consumers: &[Consumer],
    from: DateTime<Utc>,
    report: &mut Report,
    absent: &mut [Absent],
) -> anyhow::Result<()> {
    let mut before = i64::MAX;
    loop {
        let mut page = within("read the log", census::settled_before(&source.pool, before, PAGE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        let is_last = last.created_at < from - DISORDER;
        before = last.position;
        page.retain(|event| event.created_at >= from);
        for event in &page {
            report.settled(event);
        }
        page.retain(|event| event.published);
        for (consumer, absent) in consumers.iter().zip(absent.iter_mut()) {
            compare(consumer, &page, report, absent).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn compare(
    consumer: &Consumer,
    page: &[Settled],
    report: &mut Report,
    absent: &mut Absent,
) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = page.iter().map(|event| event.event_id).collect();
    let present = consumer.has(&ids).await?;
    for event in page {
        if present.contains(&event.event_id) {
            report.consumed(&consumer.name, &event.event_type);
        } else {
            *absent.counts.entry(event.event_type.clone()).or_default() += 1;
            if absent.ids.len() < AGAIN_LIMIT {
                absent.ids.push((event.event_id, event.event_type.clone()));
            }
        }
    }
    Ok(())
}

/// Finds out why a subscriber does not have what it does not have, and enters that in the report.
async fn settle(
    consumer: &Consumer,
    mut absent: Absent,
    broker: &BrokerSettings,
    report: &mut Report,
) -> anyhow::Result<()> {
    for event_type in absent.counts.keys().cloned().collect::<Vec<_>>() {
        let expected = match &consumer.events {
            Some(events) => events.contains(&event_type),
            None => {
                report.has_consumed(&consumer.name, &event_type) || consumer.ever_had(&event_type).await?
            }
        };
        if !expected {
            absent.counts.remove(&event_type);
        }
    }
    absent.ids.retain(|(_, event_type)| absent.counts.contains_key(event_type));
    let arrived_by = Instant::now() + ARRIVAL;
    let name = "outbox-relay audit";
    let mut depths = depths(broker, &consumer.name, name).await?;
    while is_unexplained(&absent, &depths) && Instant::now() < arrived_by {
        tokio::time::sleep(LOOK_EVERY).await;
        look_again(consumer, &mut absent, report).await?;
        depths = event_bus::broker::depths(broker, &consumer.name, name).await?;
    }
    let (mut in_dead, mut in_line) = (depths.dead, depths.waiting());
    for (event_type, count) in absent.counts {
        let dead = count.min(in_dead);
        let waiting = (count - dead).min(in_line);
        (in_dead, in_line) = (in_dead - dead, in_line - waiting);
        report.absent(&event_type, dead, waiting, count - dead - waiting);
    }
    Ok(())
}

fn is_unexplained(absent: &Absent, depths: &Depths) -> bool {
    absent.counts.values().sum::<u64>() > depths.dead + depths.waiting()
}

/// Takes off the list what has arrived meanwhile.
async fn look_again(consumer: &Consumer, absent: &mut Absent, report: &mut Report) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = absent.ids.iter().map(|(id, _)| *id).collect();
    let present = consumer.has(&ids).await?;
    for (_, event_type) in absent.ids.extract_if(.., |(id, _)| present.contains(id)) {
        report.consumed(&consumer.name, &event_type);
        if let Some(count) = absent.counts.get_mut(&event_type) {
            *count = count.saturating_sub(1);
        }
    }
    Ok(())
}
