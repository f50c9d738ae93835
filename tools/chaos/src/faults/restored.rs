//! Databases that are restored from a dump while everything else goes on.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, Injection, Target, injection};
use crate::{check::Expected, run::set, workload::PRODUCTS};
use harness::{Environment, until};

const LIMIT: Duration = Duration::from_secs(30);

pub(super) const FAULTS: &[Fault] = faults! {
    postgres: "catalog-restored" [2, 1]
        "the catalog's database is restored from a dump, and every price is set again" => catalog;
    postgres: "basket-restored" [1, 1]
        "the basket's database is restored from a dump, and an operator sends what is missing" => basket;
};

async fn catalog(target: &mut Target<'_>) -> Result<Injection> {
    let dump = Dump::take(target.environment, "catalog")?;
    target.workload.until_done(60, LIMIT).await?;
    target.one_arrives(LIMIT).await?;
    dump.restore(target.environment).await?;
    let healed = Instant::now();
    // The relay has begun another generation since.
    target
        .until_catalog_says(
            "select count(*) from outbox_log where identity = outbox_log_identity()",
            1,
            LIMIT,
        )
        .await?;
    for product in 1..=PRODUCTS {
        target.change(product, LIMIT).await?;
    }
    let lost = dump.lost(target.environment).await?;
    dump.forget(target.environment).await?;
    let seen = lost.len() as u64;
    let expected = Expected { undone: set(lost), ..Expected::default() };
    Ok(Injection { expected, ..injection(seen, healed) })
}

async fn basket(target: &mut Target<'_>) -> Result<Injection> {
    let dump = Dump::take(target.environment, "basket")?;
    target.workload.until_done(60, LIMIT).await?;
    target.one_arrives(LIMIT).await?;
    dump.restore(target.environment).await?;
    let healed = Instant::now();
    target.one_arrives(LIMIT).await.context("after the basket's database was restored")?;
    let lost = dump.lost(target.environment).await?;
    target.environment.operate(&["replay", "--missing", "basket"])?;
    let received = async || Ok(dump.lost(target.environment).await?.is_empty().then_some(()));
    until(LIMIT, Duration::from_millis(100), received).await?.context("some events are still missing")?;
    dump.forget(target.environment).await?;
    let expected = Expected { comes_late: true, ..Expected::default() };
    Ok(Injection { expected, ..injection(lost.len() as u64, healed) })
}

/// A dump of a database. The database that is replaced by it is kept, to see what the dump lacks.
struct Dump {
    database: &'static str,
    file: PathBuf,
}

impl Dump {
    fn take(environment: &Environment, database: &'static str) -> Result<Self> {
        let file = environment.directory().join(format!("{database}.dump"));
        let mut dump = Command::new(environment.postgres_programs.join("pg_dump"));
        dump.arg("--create").arg("--file").arg(&file).arg(environment.database_url(database)?);
        run(dump)?;
        Ok(Self { database, file })
    }

    fn old(&self) -> String {
        format!("{}_before", self.database)
    }

    /// Puts the dump in the database's place, while services try to connect to it.
    async fn restore(&self, environment: &Environment) -> Result<()> {
        let (name, old) = (self.database, self.old());
        for statement in [
            format!("alter database {name} allow_connections false"),
            format!("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{name}'"),
            format!("alter database {name} rename to {old}"),
            format!("alter database {old} allow_connections true"),
        ] {
            execute(environment, statement).await?;
        }
        let mut restore = Command::new(environment.postgres_programs.join("psql"));
        restore.args([
            "--no-psqlrc",
            "--quiet",
            "--set",
            "ON_ERROR_STOP=1",
            "--output",
            "/dev/null",
            "--file",
        ]);
        restore.arg(&self.file).arg(environment.database_url("postgres")?);
        run(restore)
    }

    /// The events that the replaced database has and the restored one lacks.
    async fn lost(&self, environment: &Environment) -> Result<Vec<Uuid>> {
        let ids = match self.database {
            "catalog" => "select event_id from integration_event_log",
            _ => "select event_id from inbox",
        };
        let mut lost = Vec::new();
        for database in [&self.old(), self.database] {
            let mut session = PgConnection::connect(&environment.database_url(database)?).await?;
            lost.push(set(sqlx::query_scalar(ids).fetch_all(&mut session).await?));
            session.close().await?;
        }
        let now = lost.pop().unwrap_or_default();
        Ok(lost.pop().unwrap_or_default().difference(&now).copied().collect())
    }

    async fn forget(&self, environment: &Environment) -> Result<()> {
        execute(environment, format!("drop database {} with (force)", self.old())).await
    }
}

async fn execute(environment: &Environment, statement: String) -> Result<()> {
    let mut session = PgConnection::connect(&environment.database_url("postgres")?).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut session).await?;
    Ok(session.close().await?)
}

fn run(mut command: Command) -> Result<()> {
    let output =
        tokio::task::block_in_place(|| command.output()).context("cannot run a program of PostgreSQL")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
