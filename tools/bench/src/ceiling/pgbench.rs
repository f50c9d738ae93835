//! The same statements by PostgreSQL's own load generator.

use anyhow::{Context, Result, bail};

use crate::environment::{Environment, Load};

/// Runs a script with prepared statements; returns transactions a second.
pub(crate) async fn pgbench(
    environment: &Environment,
    database: &str,
    load: Load,
    script: &str,
) -> Result<f64> {
    let file = environment.directory().join("pgbench.sql");
    std::fs::write(&file, script).context("cannot write pgbench's script")?;
    let mut command = environment.pgbench(database)?;
    command.args(["-n", "-M", "prepared", "-j", "2", "-c", &load.clients.to_string()]);
    command.args(["-T", &load.time.as_secs().to_string(), "-f"]).arg(&file);
    let output = command.output().await.context("cannot run pgbench: install postgresql-client")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    match rate {
        Some(rate) if output.status.success() => Ok(rate),
        _ => bail!("pgbench failed:\n{text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}
