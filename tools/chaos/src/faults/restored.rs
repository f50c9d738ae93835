//! Databases that are restored from a dump while everything else goes on.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, Injection, Target, injection};
use crate::{check::Expected, run::set, workload::PRODUCTS};
use harness::{Environment, Name, until};

const LIMIT: Duration = Duration::from_secs(30);

/// By then an order has been paid, or has given up waiting.
const OVER: Duration = Duration::from_mins(1);

/// How many orders are paid after the dump: the restored payments know nothing of that.
const PAID: i64 = 10;

/// How long an order waits for its payment while that is restored, in seconds.
const PATIENCE_S: i32 = 120;

/// The events that a database has published, or is about to.
const PUBLISHED: &str = "select event_id from integration_event_log";

/// The events that a database has received.
const RECEIVED: &str = "select event_id from inbox";

pub(super) const FAULTS: &[Fault] = faults! {
    postgres: "catalog-restored" [2, 1]
        "the catalog's database is restored from a dump, and every price is set again" => catalog;
    postgres: "basket-restored" [1, 1]
        "the basket's database is restored from a dump, and an operator sends what is missing" => basket;
    orders: "payment-restored" [1, 1, orders]
        "the payments' database is restored from a dump of before orders were paid, and an operator sends what is missing" => payment;
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
    let lost = dump.lost(target.environment, PUBLISHED).await?;
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
    let lost = dump.lost(target.environment, RECEIVED).await?;
    dump.replay_missing(target.environment).await?;
    dump.forget(target.environment).await?;
    let expected = Expected { comes_late: true, ..Expected::default() };
    Ok(Injection { expected, ..injection(lost.len() as u64, healed) })
}

/// Charges outlive the restore: they are at the provider. Each payment is asked for again, under the same key.
async fn payment(target: &mut Target<'_>) -> Result<Injection> {
    end_cancellations(target).await?;
    let dump = Dump::take(target.environment, "payment")?;
    until_paid(target.environment, PAID).await?;
    dump.restore(target.environment).await?;
    let healed = Instant::now();
    target.one_is_ordered(LIMIT).await.context("after the payments' database was restored")?;
    let lost = dump.lost(target.environment, PUBLISHED).await?;
    dump.replay_missing(target.environment).await?;
    dump.forget(target.environment).await?;
    // With the usual settings.
    target.environment.start(Name::ORDERING).await?;
    let seen = lost.len() as u64;
    let expected = Expected { undone: set(lost), ..Expected::default() };
    Ok(Injection { expected, ..injection(seen, healed) })
}

/// From now on no order is cancelled that may have been charged. Returns when the payments know of each that was.
///
/// Payments that know of no try settle a cancellation as never charged. Restored, they have forgotten tries, so that a
/// charge would be kept for a cancelled order: that is not mended, and not what is tried here.
async fn end_cancellations(target: &mut Target<'_>) -> Result<()> {
    target.workload.shopping.end_cancellations();
    let patience = PATIENCE_S.to_string();
    target.environment.launch(Name::ORDERING, &[("APP__ORDERS__REPLY_DEADLINE_S", &patience)])?;
    target.environment.service(Name::ORDERING)?.until_ready().await?;
    let environment = &*target.environment;
    // An order keeps the deadline that it was placed with.
    let impatient = "select count(*) from customer_order
                      where reply_deadline_s < $1 and status not in ('paid', 'shipped', 'cancelled')";
    let cancelled = "select event_id from integration_event_log
                      where event_type = 'shop.ordering.payment_cancelled.v1'";
    let unknown = "select count(*) from unnest($1::uuid[]) as id
                    where not exists (select from inbox where event_id = id)";
    let are_over = async || {
        let open: i64 =
            sqlx::query_scalar(impatient).bind(PATIENCE_S).fetch_one(&environment.ordering).await?;
        let ids: Vec<Uuid> = sqlx::query_scalar(cancelled).fetch_all(&environment.ordering).await?;
        let coming: i64 = sqlx::query_scalar(unknown).bind(ids).fetch_one(&environment.payment).await?;
        Ok((open + coming == 0).then_some(()))
    };
    let are_over = until(OVER, Duration::from_millis(100), are_over).await?;
    are_over.context("the orders with the usual deadline do not come to their end")
}

/// Waits until so many more orders are paid.
async fn until_paid(environment: &Environment, more: i64) -> Result<()> {
    let paid = "select count(*) from customer_order where status in ('paid', 'shipped')";
    let count =
        async || anyhow::Ok(sqlx::query_scalar::<_, i64>(paid).fetch_one(&environment.ordering).await?);
    let before = count().await?;
    let are_paid = async || Ok((count().await? >= before + more).then_some(()));
    until(OVER, Duration::from_millis(100), are_paid).await?.context("no orders are paid")
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

    /// What an operator does about a restored subscriber; returns when it has all that it had.
    async fn replay_missing(&self, environment: &Environment) -> Result<()> {
        environment.operate(&["replay", "--missing", self.database])?;
        let received = async || Ok(self.lost(environment, RECEIVED).await?.is_empty().then_some(()));
        until(LIMIT, Duration::from_millis(100), received).await?.context("some events are still missing")
    }

    /// The events that the replaced database has published, or received, and the restored one has not.
    async fn lost(&self, environment: &Environment, ids: &'static str) -> Result<Vec<Uuid>> {
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
