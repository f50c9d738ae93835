//! Compares what was published with what every subscriber received, both ways.
//!
//! Memory does not grow with the history: the logs are read page by page from the newest event back, and the ids
//! of each page are looked up in each inbox. Dead letters are counted, not read: each of them explains one absent
//! event, whichever it is.

mod report;
pub(crate) mod unknown;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use event_bus::{BrokerConfig, rabbitmq::Depths, relay};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::report::Report;
use super::{Sources, subscribers::Subscriber};
use crate::{
    source::Source,
    store::{
        StoreError,
        counters::{self, Settled},
        read_within,
        replay::DISORDER,
        within,
    },
};

/// How far back an audit goes by default: inboxes keep their rows for seven days.
pub(crate) const WINDOW: TimeDelta = TimeDelta::days(6);

/// Events of a log that are compared at once.
const PAGE: i64 = 5_000;

/// Absent events of one subscriber that are looked up again, since they may still be in flight.
const AGAIN_LIMIT: usize = 10_000;

/// How long an event in flight may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(5);

/// The time between two looks at the inboxes.
const ARRIVAL_POLL: Duration = Duration::from_millis(250);

/// The events that one subscriber does not have.
#[derive(Default)]
struct Absent {
    /// How many, for each type.
    counts: BTreeMap<String, u64>,
    /// The first of them, to look them up again.
    ids: Vec<(Uuid, String)>,
}

/// Compares the events written at `from` or later. Unpublished events are counted whatever their age.
pub(crate) async fn audit(
    sources: &Sources,
    subscribers: &[Subscriber],
    broker: &BrokerConfig,
    from: DateTime<Utc>,
) -> anyhow::Result<Report> {
    let mut report = Report::new(from, subscribers);
    let mut absent: Vec<Absent> = subscribers.iter().map(|_| Absent::default()).collect();
    for source in sources {
        unpublished(source, &mut report).await?;
        walk(source, subscribers, from, &mut report, &mut absent).await?;
        unknown::find(source, subscribers, from, &mut report).await?;
    }
    for (subscriber, absent) in subscribers.iter().zip(absent) {
        settle(subscriber, absent, broker, &mut report).await?;
    }
    Ok(report)
}

/// Counts the events of one log that are neither published nor skipped.
async fn unpublished(source: &Source, report: &mut Report) -> Result<(), StoreError> {
    let (doing, pool) = ("count what is pending", &source.pool);
    let mut counted = read_within(doing, || counters::failed(pool)).await?;
    let mut after = Some(0);
    while let Some(position) = after {
        let step = read_within(doing, || counters::pending_after(pool, position)).await?;
        counted.extend(step.counted);
        after = step.next;
    }
    for of_type in &counted {
        report.unpublished(of_type);
    }
    Ok(())
}

/// Reads one log backwards and looks its events up in the inboxes.
async fn walk(
    source: &Source,
    subscribers: &[Subscriber],
    from: DateTime<Utc>,
    report: &mut Report,
    absent: &mut [Absent],
) -> anyhow::Result<()> {
    let mut before = i64::MAX;
    loop {
        let mut page = within("read the log", counters::settled_before(&source.pool, before, PAGE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        let is_last = last.created_at < from - DISORDER;
        before = last.position;
        page.retain(|event| event.created_at >= from);
        for event in &page {
            report.settled(event);
        }
        page.retain(|event| event.published);
        for (subscriber, absent) in subscribers.iter().zip(absent.iter_mut()) {
            compare(subscriber, &page, report, absent).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn compare(
    subscriber: &Subscriber,
    page: &[Settled],
    report: &mut Report,
    absent: &mut Absent,
) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = page.iter().map(|event| event.event_id).collect();
    let present = subscriber.received(&ids).await?;
    for event in page {
        if present.contains(&event.event_id) {
            report.consumed(&subscriber.name, &event.event_type);
        } else {
            *absent.counts.entry(event.event_type.clone()).or_default() += 1;
            if absent.ids.len() < AGAIN_LIMIT {
                absent.ids.push((event.event_id, event.event_type.clone()));
            }
        }
    }
    Ok(())
}

/// Finds out why events are absent at a subscriber, and enters that in the report.
async fn settle(
    subscriber: &Subscriber,
    mut absent: Absent,
    broker: &BrokerConfig,
    report: &mut Report,
) -> anyhow::Result<()> {
    for event_type in absent.counts.keys().cloned().collect::<Vec<_>>() {
        let expected = match &subscriber.events {
            Some(events) => events.contains(&event_type),
            None => {
                report.has_consumed(&subscriber.name, &event_type)
                    || subscriber.ever_received(&event_type).await?
            }
        };
        if !expected {
            absent.counts.remove(&event_type);
        }
    }
    absent.ids.retain(|(_, event_type)| absent.counts.contains_key(event_type));
    let arrived_by = Instant::now() + ARRIVAL;
    let name = "outbox-relay audit";
    let mut depths = relay::depths(broker, &subscriber.name, name).await?;
    while is_unexplained(&absent, &depths) && Instant::now() < arrived_by {
        tokio::time::sleep(ARRIVAL_POLL).await;
        check_again(subscriber, &mut absent, report).await?;
        depths = relay::depths(broker, &subscriber.name, name).await?;
    }
    let (mut in_dead, mut in_line) = (depths.dead, depths.ready);
    for (event_type, count) in absent.counts {
        let dead = count.min(in_dead);
        let waiting = (count - dead).min(in_line);
        (in_dead, in_line) = (in_dead - dead, in_line - waiting);
        report.absent(&event_type, dead, waiting, count - dead - waiting);
    }
    Ok(())
}

fn is_unexplained(absent: &Absent, depths: &Depths) -> bool {
    absent.counts.values().sum::<u64>() > depths.dead + depths.ready
}

/// Removes the events from the list that have arrived meanwhile.
async fn check_again(
    subscriber: &Subscriber,
    absent: &mut Absent,
    report: &mut Report,
) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = absent.ids.iter().map(|(id, _)| *id).collect();
    let present = subscriber.received(&ids).await?;
    for (_, event_type) in absent.ids.extract_if(.., |(id, _)| present.contains(id)) {
        report.consumed(&subscriber.name, &event_type);
        if let Some(count) = absent.counts.get_mut(&event_type) {
            *count = count.saturating_sub(1);
        }
    }
    Ok(())
}
