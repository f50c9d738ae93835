//! What the suite holds on to: memory, files, connections.

use anyhow::Result;
use serde_json::Value;

use harness::{Environment, Name, memory, open_files};

/// How much more of each a run may leave behind: pools grow under workload and keep what they have.
const MORE_MEMORY: u64 = 48 * 1024 * 1024;
const MORE_FILES: u64 = 16;
const MORE_SESSIONS: i128 = 16;
const MORE_SESSIONS_EACH: i128 = 6;
const MORE_CONNECTIONS: i64 = 2;

/// What a service may have open at the broker: one to consume, one for its operators. A relay has one for each log.
const CONNECTIONS_EACH: usize = 2;

/// A measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    memory: u64,
    files: u64,
    sessions: i64,
    connections: i64,
    channels: i64,
    services: u64,
    /// How many connections to the broker these services usually have.
    usual: i64,
}

impl Footprint {
    /// Measures all services together, and what the servers say of them.
    pub(crate) async fn take(environment: &Environment) -> Result<Self> {
        let each = environment.services().map(|(_, process)| process.identity.pid);
        let each = each.map(|pid| (memory(pid), open_files(pid)));
        let (memory, files) = each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        let roles: Vec<String> =
            environment.registry().services.iter().flat_map(shop::registry::Service::roles).collect();
        let sessions = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where usename = any($1) and backend_type = 'client backend'",
        )
        .bind(roles)
        .fetch_one(&environment.catalog)
        .await?;
        let overview = environment.broker.manage(reqwest::Method::GET, "overview", &Value::Null).await?;
        let logs = environment.registry().publishers().count();
        let of_one = |service| if matches!(service, Name::Relay(_)) { logs } else { CONNECTIONS_EACH };
        let usual: usize = environment.services().map(|(service, _)| of_one(service)).sum();
        let total = |name: &str| overview["object_totals"][name].as_i64().unwrap_or(0);
        Ok(Self {
            memory,
            files,
            sessions,
            connections: total("connections"),
            channels: total("channels"),
            services: environment.services().count() as u64,
            usual: i64::try_from(usual)?,
        })
    }

    /// What there is more of than there may be, compared with `before`; nothing, if all is as it was.
    pub(crate) fn grown(&self, before: &Self) -> Vec<String> {
        let mut grown = Vec::new();
        let mut compare = |what: &str, now: i128, then: i128, more: i128| {
            if now > then + more {
                grown.push(format!("clean: {what} went from {then} to {now}"));
            }
        };
        let services = i128::from(self.services);
        compare("memory", self.memory.into(), before.memory.into(), i128::from(MORE_MEMORY) * services);
        compare("open files", self.files.into(), before.files.into(), i128::from(MORE_FILES) * services);
        let sessions = MORE_SESSIONS.max(services * MORE_SESSIONS_EACH);
        compare("database sessions", self.sessions.into(), before.sessions.into(), sessions);
        // The broker's figures are some seconds old: those from before may be of a time before the services.
        for (what, now, then) in [
            ("broker connections", self.connections, before.connections),
            ("broker channels", self.channels, before.channels),
        ] {
            compare(what, now.into(), then.max(self.usual).into(), MORE_CONNECTIONS.into());
        }
        grown
    }
}
