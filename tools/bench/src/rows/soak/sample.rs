//! Samples during a soak, and whether anything grows.

use std::time::Duration;

use anyhow::Result;
use sqlx::PgPool;

use super::WATCHED;
use crate::environment::Environment;
use crate::figures::{Row, Target, trend};
use crate::machine::mebibytes;

/// What a figure may be at the end, as against a third into the soak. The first third is warming up.
const STEADY: f64 = 1.25;

const MIB: f64 = 1024.0 * 1024.0;

/// One sample, under the names of the rows.
pub(super) struct Sample {
    second: u64,
    values: Vec<(String, &'static str, f64)>,
}

/// Tables that have as many rows at the end as at the beginning: with their indexes and dead rows they are to
/// keep their size. The others have a row for each event.
const LASTING: &str = "('product', 'cart', 'cart_line', 'outbox_partition', 'outbox_relay', 'inbox_version')";

pub(super) async fn take(environment: &Environment, since: Duration) -> Result<Sample> {
    let mut values = Vec::new();
    for name in WATCHED {
        let pid = environment.pid(name)?;
        values.push((format!("memory of {name}"), "MiB", mebibytes(pid)));
        values.push((format!("handles of {name}"), "handles", harness::open_files(pid) as f64));
    }
    let connections: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and usename <> 'postgres'",
    )
    .fetch_one(&environment.catalog)
    .await?;
    values.push(("connections to PostgreSQL".to_owned(), "connections", connections as f64));
    let pending = "select pg_relation_size('integration_event_log_pending')";
    let pending: i64 = sqlx::query_scalar(pending).fetch_one(&environment.catalog).await?;
    values.push(("index of what is pending".to_owned(), "MiB", pending as f64 / MIB));
    for (database, pool) in [("catalog", &environment.catalog), ("basket", &environment.basket)] {
        for (table, dead, bytes, rows) in tables(pool).await? {
            let (of, bytes) = (format!("{database}.{table}"), bytes as f64);
            values.push((format!("dead rows of {of}"), "rows", dead as f64));
            if rows < 0 {
                values.push((format!("size of {of} with its indexes"), "MiB", bytes / MIB));
            } else {
                let each = bytes / rows.max(1) as f64;
                values.push((format!("bytes of {of} for each row, indexes included"), "bytes", each));
            }
        }
    }
    Ok(Sample { second: since.as_secs(), values })
}

/// Table, dead rows, bytes with indexes, and how many rows; less than 0 where that does not change.
async fn tables(pool: &PgPool) -> Result<Vec<(String, i64, i64, i64)>> {
    let sql = format!(
        "select relname::text, n_dead_tup, pg_total_relation_size(relid),
                case when relname in {LASTING} then -1 else n_live_tup end
           from pg_stat_user_tables
          where relname in {LASTING} or relname in ('integration_event_log', 'inbox', 'alert') order by relname",
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?)
}

/// A row for each figure of the samples.
pub(super) fn rows(samples: &[Sample], foreign: f64) -> Vec<Row> {
    let Some(newest) = samples.last() else { return Vec::new() };
    newest
        .values
        .iter()
        .enumerate()
        .map(|(place, (name, unit, _))| {
            let values: Vec<f64> = samples.iter().map(|sample| sample.values[place].2).collect();
            let (early, late) = trend(&values[values.len() / 3..]);
            let least = match *unit {
                "rows" => 10_000.0,
                "MiB" => 8.0,
                _ => 10.0,
            };
            let (target, figures) = (Target::Steady(STEADY, least), ([late], [early]));
            let over_time =
                samples.iter().zip(&values).map(|(sample, value)| (format!("{} s", sample.second), *value));
            let (name, figures) = (format!("soak: {name}"), (figures.0.as_slice(), figures.1.as_slice()));
            Row::against(name, unit, figures, "a third into it", target, foreign).grown(over_time.collect())
        })
        .collect()
}
