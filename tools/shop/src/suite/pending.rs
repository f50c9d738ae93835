//! Asking the relay's operator tool.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Suite;
use crate::home::checkout;
use crate::process::without_foreign_settings;
use crate::registry::Name;

impl Suite {
    /// How many events wait to be published.
    pub fn pending_events(&self) -> Result<u64> {
        let databases = self.log_status()?;
        Ok(databases.iter().filter_map(|database| database["log"]["pending"].as_u64()).sum())
    }

    /// What an operator should act on, with the name of the database.
    pub fn log_problems(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for database in self.log_status()? {
            let name = database["database"].as_str().unwrap_or_default();
            let of_database = database["problems"].as_array().into_iter().flatten().filter_map(Value::as_str);
            problems.extend(of_database.map(|problem| format!("{name}: {problem}")));
        }
        Ok(problems)
    }

    /// The status of each log, as `outbox-relay status` says: it reads the log itself, and so can tell also when no
    /// relay runs.
    fn log_status(&self) -> Result<Vec<Value>> {
        let mut status = std::process::Command::new(self.plan.binary(&self.registry.relay.binary)?);
        let output = without_foreign_settings(&mut status)
            .args(["status", "--json"])
            .envs(self.configuration(Name::Relay(1))?)
            .current_dir(checkout())
            .stdin(Stdio::null())
            .output()
            .context("cannot run outbox-relay status")?;
        // Its exit code says whether something is wrong, which a dead relay is.
        let status: Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("outbox-relay status failed: {}", String::from_utf8_lossy(&output.stderr).trim())
        })?;
        let Value::Array(databases) = status else { bail!("outbox-relay status printed no list") };
        Ok(databases)
    }
}
