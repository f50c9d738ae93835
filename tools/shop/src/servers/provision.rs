//! Databases and roles on a running PostgreSQL.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::PostgresTools;
use crate::generate::provision_sql;
use crate::home::Secrets;
use crate::process::without_foreign_settings;
use crate::registry::{Registry, Service};

/// Creates the suite's databases and roles, or brings them to their present state.
///
/// May run any number of times, and while the suite runs.
pub fn provision(tools: &PostgresTools, registry: &Registry, port: u16, secrets: &Secrets) -> Result<()> {
    let mut psql = Command::new(tools.bin.join("psql"));
    without_foreign_settings(&mut psql);
    for role in registry.services.iter().flat_map(Service::roles) {
        psql.env(format!("{}_PASSWORD", role.to_uppercase()), secrets.of(&role)?);
    }
    let mut child = psql
        .args(["--no-psqlrc", "--quiet", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres"])
        .args(["-p", &port.to_string(), "-f", "-"])
        .env("PGPASSWORD", secrets.of("postgres")?)
        .env("PGCONNECT_TIMEOUT", "5")
        .env("PGOPTIONS", "-c statement_timeout=60s")
        // Ctrl-C is for this process.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run psql")?;
    let mut input = child.stdin.take().context("psql has no input")?;
    // The statements are short, and psql writes next to nothing: neither waits for the other. If psql has
    // ended, its own words below say why.
    drop(input.write_all(provision_sql(registry).as_bytes()));
    drop(input);
    let output = child.wait_with_output().context("cannot wait for psql")?;
    if !output.status.success() {
        bail!("creating databases and roles failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
