//! Databases and roles on a running PostgreSQL.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::PostgresTools;
use crate::home::{PROVISION_SQL, Secrets};

/// Creates the suite's databases and roles, or brings them to their present state, by `deploy/postgres/provision.sql`.
///
/// May run any number of times, and while the suite runs.
pub fn provision(tools: &PostgresTools, checkout: &Path, port: u16, secrets: &Secrets) -> Result<()> {
    let mut psql = Command::new(tools.bin.join("psql"));
    // What the user has set for servers of their own must not lead elsewhere.
    for variable in ["PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGPASSFILE", "PGTARGETSESSIONATTRS"] {
        psql.env_remove(variable);
    }
    let output = psql
        .args(["--no-psqlrc", "--quiet", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres"])
        .args(["-p", &port.to_string()])
        .arg("-f")
        .arg(checkout.join(PROVISION_SQL))
        .env("PGPASSWORD", &secrets.postgres)
        .env("PGCONNECT_TIMEOUT", "5")
        .env("PGOPTIONS", "-c statement_timeout=60s")
        .env("CATALOG_OWNER_PASSWORD", &secrets.catalog_owner)
        .env("CATALOG_APP_PASSWORD", &secrets.catalog_app)
        .env("CATALOG_RELAY_PASSWORD", &secrets.catalog_relay)
        .env("BASKET_OWNER_PASSWORD", &secrets.basket_owner)
        .env("BASKET_APP_PASSWORD", &secrets.basket_app)
        .env("BASKET_INBOX_READER_PASSWORD", &secrets.basket_inbox_reader)
        .stdin(Stdio::null())
        .output()
        .context("cannot run psql")?;
    if !output.status.success() {
        bail!("{PROVISION_SQL} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
