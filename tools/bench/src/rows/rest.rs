//! What the suite costs while nothing happens, and how soon it is ready.

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::Name;

use crate::cli::Cli;
use crate::environment::Environment;
use crate::figures::{Row, Target};
use crate::machine::{Meter, ticks_of};

const SERVICES: [Name; 3] = [Name::CATALOG, Name::BASKET, Name::RELAY];

/// A session that has gone quiet publishes its counts after ten seconds.
const SETTLED: Duration = Duration::from_secs(12);

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    let meter = Meter::start();
    let mut rows = Vec::new();
    for name in SERVICES {
        let mut took = Vec::new();
        for _ in 0..cli.rounds() {
            environment.run_only(&SERVICES).await?;
            environment.stop(name).await?;
            let begun = Instant::now();
            environment.start(name).await?;
            took.push(begun.elapsed().as_secs_f64());
        }
        let what = format!("{} ready after its start", environment.binary(name)?);
        rows.push(Row::alone(what, "s", &took, Target::AtMost(1.0), meter.foreign()));
    }

    // Autovacuum's transactions count like the services', and there are more of them after what was just filled.
    environment.autovacuum("off").await?;
    tokio::time::sleep(SETTLED).await;
    let meter = Meter::start();
    let pids = SERVICES.map(|name| (name, environment.pid(name).unwrap_or_default()));
    let (before, ticks, begun) =
        (queries(environment).await?, pids.map(|(_, pid)| ticks_of(pid)), Instant::now());
    tokio::time::sleep(Duration::from_secs(if cli.quick { 6 } else { 20 })).await;
    let (after, elapsed) = (queries(environment).await?, begun.elapsed().as_secs_f64());
    let foreign = meter.foreign();
    environment.autovacuum("on").await?;
    for ((database, before), (_, after)) in before.into_iter().zip(after) {
        let rate = (after - before) as f64 / elapsed;
        let what = format!("queries at rest, {database}");
        rows.push(Row::alone(what, "queries/s", &[rate], Target::AtMost(2.0), foreign));
    }
    for ((name, pid), before) in pids.into_iter().zip(ticks) {
        let share = (ticks_of(pid) - before) as f64 / elapsed;
        let what = format!("processor at rest, {}", environment.binary(name)?);
        rows.push(Row::alone(what, "% of a core", &[share], Target::AtMost(1.0), foreign));
    }
    Ok(rows)
}

/// Transactions of each database so far, without those of this query.
async fn queries(environment: &Environment) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(
        "select datname::text, xact_commit + xact_rollback from pg_stat_database
          where datname in ('catalog', 'basket') order by datname desc",
    )
    .fetch_all(&environment.pool_elsewhere()?)
    .await?)
}
