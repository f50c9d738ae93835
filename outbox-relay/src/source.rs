//! A database whose log is published, and the status of that.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::ensure;
use chrono::{DateTime, Utc};
use event_bus::relay::OutgoingEvent;
use relay_engine::{HeldBack, Hold};
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::{PgPool, postgres::PgConnectOptions};

use crate::{
    settings::SourceSettings,
    store::{Session, StoreError, pending::PendingEvent, within},
};

/// Connections to one database beside the worker's own three (ownership, log, peer monitor): for notifications,
/// gauges, retention and operators.
const CONNECTIONS: u32 = 4;

/// The longest `source` that subscribers take, in bytes.
const SOURCE_LIMIT: usize = 255;

/// The most reasons that are logged in one outage.
const REASONS_LIMIT: usize = 20;

/// The problem before the first try.
const NOT_YET: &str = "not connected yet";

/// One database whose log is published.
pub(crate) struct Source {
    /// The service's name, and the `app_id` of its messages.
    pub(crate) name: String,
    /// The `source` of its events.
    pub(crate) uri: String,
    pub(crate) pool: PgPool,
    options: PgConnectOptions,
    pub(crate) notifications: bool,
    status: Mutex<PublisherStatus>,
    /// The reasons of the outage under way that were logged, for the database and for the broker: each is logged once.
    logged: Mutex<HashMap<&'static str, HashSet<String>>>,
}

/// The status of publishing from a database, in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublisherStatus {
    /// The partitions that this relay owns.
    pub(crate) partitions: Vec<i16>,
    /// Events that were published and marked since the process started.
    pub(crate) published: u64,
    /// Why the database is unavailable, while it is.
    pub(crate) database_problem: Option<String>,
    /// Why the broker is unavailable, while it is.
    pub(crate) broker_problem: Option<String>,
    /// Why scheduled events that are due are not moved into the log, while they are not.
    pub(crate) schedule_problem: Option<String>,
    /// The types of which events wait, while other types are published.
    pub(crate) held_back: Vec<HeldType>,
    /// Events of all services that no queue was bound for, seconds old; absent while that is not known.
    pub(crate) unrouted: Option<u64>,
}

impl PublisherStatus {
    /// What an operator should know, in words.
    pub(crate) fn problems(&self) -> Vec<String> {
        let held = self.held_back.iter().map(|held| {
            let HeldType { event_type, reason, since, waiting } = held;
            format!("{waiting} events of type {event_type} wait since {}: {reason}", since.format("%FT%TZ"))
        });
        let is_known = |problem: &&String| *problem != NOT_YET;
        let database = self.database_problem.iter().filter(is_known);
        let database = database.map(|problem| format!("no database: {problem}"));
        let broker =
            self.broker_problem.iter().filter(is_known).map(|problem| format!("no broker: {problem}"));
        let schedule =
            self.schedule_problem.iter().map(|problem| format!("scheduled events wait: {problem}"));
        database.chain(broker).chain(schedule).chain(held).collect()
    }
}

/// A type that the broker does not take now. Its events wait, with those behind them in their keys; nothing counts as
/// an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldType {
    /// The type.
    pub(crate) event_type: String,
    /// Why it waits.
    pub(crate) reason: &'static str,
    /// Since when.
    pub(crate) since: DateTime<Utc>,
    /// How many events wait, as far as this relay has read them.
    pub(crate) waiting: usize,
}

impl From<HeldBack> for HeldType {
    fn from(held: HeldBack) -> Self {
        let reason = match held.hold {
            Hold::Nacked => {
                "the broker does not take it: a queue is full or has no leader, or no queue is bound for it"
            }
            Hold::Forbidden => "the relay's user may not publish it",
        };
        let since = Utc::now() - held.since.elapsed();
        Self { event_type: held.event_type, reason, since, waiting: held.waiting }
    }
}

impl Source {
    /// Reads the settings of a database. Connects to nothing yet.
    pub(crate) fn new(name: &str, settings: &SourceSettings) -> anyhow::Result<Self> {
        let url = settings.url.expose_secret();
        let options = service_kit::database::connect_options(&format!("databases.{name}.url"), url)?
            .application_name("outbox-relay");
        // A statement that was given up ends on the server as well, also while it waits for a lock. A pooler would refuse the
        // option.
        let options = if settings.notifications {
            options.options([("client_connection_check_interval", "2s")])
        } else {
            options
        };
        let uri = settings.source.clone().unwrap_or_else(|| format!("/{name}"));
        // No subscriber would take its events.
        ensure!(
            (1..=SOURCE_LIMIT).contains(&uri.len()) && !uri.contains('\0'),
            "setting databases.{name}.source must have 1 to {SOURCE_LIMIT} bytes and no NUL; it is {uri:?}"
        );
        Ok(Self {
            name: name.to_owned(),
            uri,
            pool: service_kit::database::connect_with(options.clone(), CONNECTIONS),
            options,
            notifications: settings.notifications,
            // Not ready until both have answered for the first time.
            logged: Mutex::default(),
            status: Mutex::new(PublisherStatus {
                database_problem: Some(NOT_YET.to_owned()),
                broker_problem: Some(NOT_YET.to_owned()),
                ..PublisherStatus::default()
            }),
        })
    }

    /// Opens a session for a worker.
    pub(crate) async fn connect(&self) -> Result<Session, StoreError> {
        within("connect to the database", Session::open(&self.options, self.notifications)).await
    }

    /// An event of this source, ready to be sent.
    pub(crate) fn outgoing<'a>(&'a self, event: &'a PendingEvent) -> OutgoingEvent<'a> {
        OutgoingEvent {
            id: event.event_id,
            source: &self.uri,
            service: &self.name,
            event_type: &event.event_type,
            key: &event.key,
            version: event.key_version,
            generation: event.generation,
            occurred_at: event.created_at,
            trace: &event.headers.trace,
            headers: &event.headers.others,
            payload: &event.payload,
        }
    }

    pub(crate) fn status(&self) -> PublisherStatus {
        self.lock().clone()
    }

    pub(crate) fn set_partitions(&self, partitions: &[i16]) {
        let mut status = self.lock();
        if status.partitions != partitions {
            tracing::info!(database = self.name, partitions = partitions.len(), "owns partitions");
            status.partitions = partitions.to_vec();
        }
    }

    pub(crate) fn add_published(&self, events: usize) {
        self.lock().published += events as u64;
        metrics::counter!("outbox_published_total", "database" => self.name.clone()).increment(events as u64);
    }

    /// Records whether the database is available; logs a change.
    pub(crate) fn set_database_problem(&self, problem: Option<&str>) {
        let before = std::mem::replace(&mut self.lock().database_problem, problem.map(str::to_owned));
        self.report("database", before.as_deref(), problem);
    }

    /// Records whether the broker is available; logs a change.
    pub(crate) fn set_broker_problem(&self, problem: Option<&str>) {
        let before = std::mem::replace(&mut self.lock().broker_problem, problem.map(str::to_owned));
        self.report("broker", before.as_deref(), problem);
    }

    /// Records whether scheduled events that are due are moved into the log; logs a change.
    pub(crate) fn set_schedule_problem(&self, problem: Option<String>) {
        let mut status = self.lock();
        if status.schedule_problem == problem {
            return;
        }
        let database = self.name.as_str();
        if let Some(problem) = &problem {
            tracing::warn!(database, problem, "scheduled events that are due wait; will try again");
        } else {
            tracing::info!(database, "scheduled events are moved into the log again");
        }
        status.schedule_problem = problem;
    }

    /// Records how many unroutable events the broker keeps.
    pub(crate) fn set_unrouted(&self, unrouted: Option<u64>) {
        self.lock().unrouted = unrouted;
    }

    /// Records the types that the broker does not take; logs a change.
    pub(crate) fn set_held(&self, held: Vec<HeldBack>) {
        if held.is_empty() && self.lock().held_back.is_empty() {
            return;
        }
        let held: Vec<HeldType> = held.into_iter().map(HeldType::from).collect();
        let before = std::mem::replace(&mut self.lock().held_back, held.clone());
        let database = self.name.as_str();
        let gauge = |one: &HeldType, waiting: usize| {
            let labels = [("database", database.to_owned()), ("type", one.event_type.clone())];
            #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^52 is not to be expected")]
            metrics::gauge!("outbox_held_back_events", &labels).set(waiting as f64);
        };
        for one in &held {
            gauge(one, one.waiting);
            let is_same = |other: &HeldType| other.event_type == one.event_type && other.reason == one.reason;
            if !before.iter().any(is_same) {
                let HeldType { event_type, reason, waiting, .. } = one;
                tracing::warn!(
                    database,
                    event_type,
                    reason,
                    waiting,
                    "events of a type wait; will try again"
                );
            }
        }
        for one in before.iter().filter(|one| held.iter().all(|other| other.event_type != one.event_type)) {
            gauge(one, 0);
            tracing::info!(database, event_type = one.event_type, "events of a type no longer wait");
        }
    }

    fn report(&self, what: &'static str, before: Option<&str>, now: Option<&str>) {
        if before == now {
            return;
        }
        let labels = [("database", self.name.clone()), ("what", what.to_owned())];
        metrics::gauge!("outbox_connected", &labels).set(if now.is_none() { 1.0 } else { 0.0 });
        let database = self.name.as_str();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(problem) = now else {
            logged.remove(what);
            tracing::info!(database, what, "connected");
            return;
        };
        // Each reason once: they may alternate for as long as the outage lasts.
        let logged = logged.entry(what).or_default();
        if logged.len() < REASONS_LIMIT && logged.insert(problem.to_owned()) {
            tracing::warn!(database, what, problem, "unavailable; will try again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, PublisherStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
