//! A database with a log, and how its publishing stands.

use std::{
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use event_bus::outbox::log;
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, postgres::PgConnectOptions};

use super::{Trouble, lanes::session::Session, within};
use crate::settings::SourceSettings;

/// Connections to one database beside the worker's own three (for ownership, for the log, and to look out
/// for another relay): for notifications, figures, retention and operators.
const CONNECTIONS: u32 = 4;

/// What a relay writes says what has happened already: a server that crashes and forgets the last of it costs
/// repeats, and those are absorbed; so nothing waits for the disk. And a server that no longer hears of the
/// relay is to notice, and to free its locks, within 15 s rather than hours.
const OWN_SESSION: &str = "set synchronous_commit = off; set tcp_keepalives_idle = 5;
    set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2";

/// What is wrong before anything was tried.
const NOT_YET: &str = "not connected yet";

/// One database whose log is published.
pub(crate) struct Source {
    /// The service's name, and the `app_id` of its messages.
    pub(crate) name: String,
    /// The `source` of its events.
    pub(crate) uri: String,
    pub(crate) pool: PgPool,
    pub(crate) options: PgConnectOptions,
    pub(crate) notifications: bool,
    standing: Mutex<Standing>,
}

/// How publishing from a database stands, in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    /// The partitions that this relay owns.
    pub(crate) partitions: Vec<i16>,
    /// Events that were confirmed and marked since the process started.
    pub(crate) published: u64,
    /// What is wrong with the database, while something is.
    pub(crate) database_problem: Option<String>,
    /// What is wrong with the broker, while something is.
    pub(crate) broker_problem: Option<String>,
}

impl Source {
    /// Reads the settings of a database. Connects to nothing yet.
    pub(crate) fn new(name: &str, settings: &SourceSettings) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(settings.url.expose_secret())
            .with_context(|| format!("setting databases.{name}.url: not a postgres:// URL"))?
            .application_name("outbox-relay");
        Ok(Self {
            name: name.to_owned(),
            uri: settings.source.clone().unwrap_or_else(|| format!("/{name}")),
            pool: service_kit::database::connect_with(options.clone(), CONNECTIONS),
            options,
            notifications: settings.notifications,
            // Not ready until both have answered for the first time.
            standing: Mutex::new(Standing {
                database_problem: Some(NOT_YET.to_owned()),
                broker_problem: Some(NOT_YET.to_owned()),
                ..Standing::default()
            }),
        })
    }

    /// Opens a session of one's own with the database.
    pub(crate) async fn connect(&self) -> Result<Session, Trouble> {
        // A relay that waits for another's end does so in one long statement: not one to warn of.
        let options = self.options.clone().disable_statement_logging();
        let mut connection = within("connect to the database", PgConnection::connect_with(&options)).await?;
        let is_shared = !self.notifications;
        if !is_shared {
            let set = log::ROW_BY_ROW.map(|setting| format!("; set {setting}")).concat();
            let set = AssertSqlSafe(format!("{OWN_SESSION}{set}"));
            within("set the session up", sqlx::raw_sql(set).execute(&mut connection)).await?;
        }
        Ok(Session::new(connection, is_shared))
    }

    pub(crate) fn standing(&self) -> Standing {
        self.lock().clone()
    }

    pub(crate) fn owns(&self, partitions: &[i16]) {
        let mut standing = self.lock();
        if standing.partitions != partitions {
            tracing::info!(database = self.name, partitions = partitions.len(), "owns partitions");
            standing.partitions = partitions.to_vec();
        }
    }

    pub(crate) fn has_published(&self, events: usize) {
        self.lock().published += events as u64;
        metrics::counter!("outbox_published_total", "database" => self.name.clone()).increment(events as u64);
    }

    /// Notes that the database is away, or back; says so in the log when that is news.
    pub(crate) fn database_is(&self, problem: Option<String>) {
        let before = std::mem::replace(&mut self.lock().database_problem, problem.clone());
        self.report("database", before, problem);
    }

    /// Notes that the broker is away, or back; says so in the log when that is news.
    pub(crate) fn broker_is(&self, problem: Option<String>) {
        let before = std::mem::replace(&mut self.lock().broker_problem, problem.clone());
        self.report("broker", before, problem);
    }

    fn report(&self, what: &'static str, before: Option<String>, now: Option<String>) {
        if before == now {
            return;
        }
        let labels = [("database", self.name.clone()), ("what", what.to_owned())];
        metrics::gauge!("outbox_connected", &labels).set(if now.is_none() { 1.0 } else { 0.0 });
        let database = self.name.as_str();
        let was_well = before.is_none_or(|before| before == NOT_YET);
        match now {
            Some(problem) if was_well => tracing::warn!(database, what, problem, "away; will try again"),
            Some(_) => {}
            None => tracing::info!(database, what, "connected"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
