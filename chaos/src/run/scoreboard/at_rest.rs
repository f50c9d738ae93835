//! What the suite costs its databases while nothing happens.

use std::time::Duration;

use anyhow::Result;

use super::Row;
use crate::run::Runner;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(20);

/// PostgreSQL publishes its counts a moment late, and services settle.
const SETTLED: Duration = Duration::from_secs(5);

/// Queries a second that each database may have.
const MOST: f64 = 2.0;

impl Runner {
    /// Counts the transactions of each database while one relay, the catalog and one basket have nothing to do.
    pub(super) async fn queries_at_rest(&mut self) -> Result<Vec<Row>> {
        self.stage.settle(1, 1).await?;
        tokio::time::sleep(SETTLED).await;
        let before = self.transactions().await?;
        tokio::time::sleep(WATCHED).await;
        let after = self.transactions().await?;
        let names = ["queries a second at rest, basket", "queries a second at rest, catalog and relay"];
        let rates = before.into_iter().zip(after).map(|(before, after)| {
            #[expect(clippy::cast_precision_loss, reason = "a count of some seconds")]
            let rate = (after - before) as f64 / WATCHED.as_secs_f64();
            rate
        });
        Ok(names
            .into_iter()
            .zip(rates)
            .map(|(name, rate)| {
                Row {
                    name,
                    of: 1,
                    measured: format!("{rate:.2}"),
                    must_be: format!("≤ {MOST}"),
                    met: rate <= MOST,
                }
                .told()
            })
            .collect())
    }

    /// Of the basket's database and the catalog's, so far.
    async fn transactions(&self) -> Result<Vec<i64>> {
        let counts = "select xact_commit + xact_rollback from pg_stat_database
                       where datname in ('catalog', 'basket') order by datname";
        Ok(sqlx::query_scalar(counts).fetch_all(&self.stage.catalog).await?)
    }
}
