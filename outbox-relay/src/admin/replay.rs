//! Sending published events again, under their own ids.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use event_bus::{BrokerConfig, rabbitmq::PublishError, relay::Publisher};
use futures_util::{StreamExt, stream::FuturesUnordered};
use relay_engine::Backlog;
use serde::Serialize;
use service_kit::output::complain;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Sources, subscribers::Subscriber};
use crate::{
    relay::Row,
    source::Source,
    store::{
        pending::PendingEvent,
        replay::{self as store, Span},
        within,
    },
};

/// Events that are read, sent and confirmed before the next ones are read.
const PAGE: i64 = 1_000;

/// The largest number of events in flight to the broker; one of each key.
const MAX_IN_FLIGHT: usize = 1_000;

/// How often a long replay says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// What to send again, and to whom.
pub(crate) struct Order {
    pub(crate) span: Span,
    /// One queue; all bound queues where absent.
    pub(crate) to_queue: Option<String>,
    /// Only the events that this subscriber lacks.
    pub(crate) missing_at: Option<Subscriber>,
    /// One database, or all.
    pub(crate) database: Option<String>,
    /// Only count.
    pub(crate) dry_run: bool,
}

/// What a replay did with one database.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replayed {
    pub(crate) database: String,
    /// How many events matched, as far as the log was read.
    pub(crate) events: usize,
    /// How many of them the broker has confirmed.
    pub(crate) confirmed: usize,
    /// Why it ended early.
    pub(crate) problem: Option<String>,
}

/// Carries out a replay, one database after the other; ends at the first error, and on `stop`.
pub(crate) async fn replay(
    sources: &Sources,
    broker: &BrokerConfig,
    order: &Order,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Replayed>> {
    ensure!(order.span.from < order.span.to, "--from must be before --to");
    let known = || sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ");
    let wanted = |source: &Source| order.database.as_ref().is_none_or(|name| *name == source.name);
    if let Some(name) = &order.database {
        ensure!(sources.iter().any(|source| wanted(source)), "no database {name}: there is {}", known());
    }
    let name = "outbox-relay replay";
    let publisher = match &order.to_queue {
        _ if order.dry_run => None,
        Some(queue) => Some(Publisher::connect_to_queue(broker, name, queue).await?),
        None => Some(Publisher::connect(broker, name).await?),
    };
    let mut all = Vec::new();
    for source in sources.iter().filter(|source| wanted(source)) {
        let mut done = Replayed { database: source.name.clone(), events: 0, confirmed: 0, problem: None };
        let outcome = one(source, publisher.as_ref(), order, &mut done, stop).await;
        done.problem = outcome.err().map(|error| format!("{error:#}"));
        let ended = done.problem.is_some();
        all.push(done);
        if ended {
            break;
        }
    }
    if let Some(publisher) = publisher {
        publisher.close().await;
    }
    Ok(all)
}

async fn one(
    source: &Source,
    publisher: Option<&Publisher>,
    order: &Order,
    done: &mut Replayed,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (pool, span) = (&source.pool, &order.span);
    let mut types = HashMap::new();
    let mut told = Instant::now();
    let mut after = within("find where to begin", store::position_before(pool, span.from)).await?;
    while let Some(page) = within("read the log", store::next_page(pool, after, span.to, PAGE)).await? {
        ensure!(!stop.is_cancelled(), "interrupted");
        if publisher.is_some() || order.missing_at.is_some() {
            let mut events = within("read published events", store::read(pool, page, span)).await?;
            if let Some(subscriber) = &order.missing_at {
                keep_missing(subscriber, &mut events, &mut types).await?;
            }
            done.events += events.len();
            if let Some(publisher) = publisher {
                send(source, publisher, events, &mut done.confirmed).await?;
            }
        } else {
            let count = within("count published events", store::count(pool, page, span)).await?;
            done.events += usize::try_from(count).unwrap_or_default();
        }
        after = page.up_to;
        if told.elapsed() > PROGRESS_EVERY {
            told = Instant::now();
            let what = if publisher.is_some() { "confirmed" } else { "counted" };
            complain(&format!("outbox-relay: {}: {} events {what}, going on", source.name, done.events));
        }
    }
    Ok(())
}

/// Removes the events that a subscriber has, and those of types that it does not receive.
async fn keep_missing(
    subscriber: &Subscriber,
    events: &mut Vec<PendingEvent>,
    types: &mut HashMap<String, bool>,
) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
    let received = subscriber.received(&ids).await?;
    events.retain(|event| !received.contains(&event.event_id));
    for event in events.iter() {
        if !types.contains_key(&event.event_type) {
            types.insert(event.event_type.clone(), subscriber.receives(&event.event_type).await?);
        }
    }
    events.retain(|event| types.get(&event.event_type) == Some(&true));
    Ok(())
}

/// Sends a page and waits for all its confirmations: the events of a key in order, different keys side by side.
/// After a failure nothing more is sent, and the confirmations in flight are still awaited.
async fn send(
    source: &Source,
    publisher: &Publisher,
    events: Vec<PendingEvent>,
    confirmed: &mut usize,
) -> anyhow::Result<()> {
    let mut backlog = Backlog::default();
    for event in events {
        backlog.add(Row(Arc::new(event)));
    }
    let mut confirms = FuturesUnordered::new();
    let mut failure = None;
    loop {
        while failure.is_none()
            && backlog.in_flight() < MAX_IN_FLIGHT
            && let Some(id) = backlog.take()
            && let Some(Row(event)) = backlog.event(id)
        {
            match publisher.send(&source.outgoing(event)).await {
                Ok(confirm) => confirms.push(async move { (id, confirm.outcome().await) }),
                Err(error @ PublishError::Unwritable(_)) => {
                    failure =
                        Some(anyhow::Error::new(error).context(format!("the event {id} cannot be sent")));
                }
                Err(error) => failure = Some(error.into()),
            }
        }
        match confirms.next().await {
            None => break,
            Some((id, Ok(()))) => {
                *confirmed += 1;
                backlog.confirmed(id, Instant::now());
            }
            Some((_, Err(error))) => failure = Some(error.into()),
        }
    }
    if let Some(error) = failure {
        bail!("{error:#}; run it again: what a consumer already has, its inbox absorbs");
    }
    Ok(())
}
