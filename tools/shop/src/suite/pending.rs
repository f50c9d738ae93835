//! Asking the relay's operator tool.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Suite;
use crate::home::checkout;
use crate::registry::Name;

impl Suite {
    /// How many events wait to be published, as `outbox-relay status` says: it reads the log itself, and so
    /// can tell also when no relay runs.
    pub fn pending_events(&self) -> Result<u64> {
        let output = std::process::Command::new(self.plan.binary(&self.registry.relay.binary)?)
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
        let Some(databases) = status.as_array() else { bail!("outbox-relay status printed no list") };
        Ok(databases.iter().filter_map(|database| database["log"]["pending"].as_u64()).sum())
    }
}
