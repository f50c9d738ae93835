//! What the suite asks of its databases while nothing happens.

use std::time::Duration;

use anyhow::Result;

use super::Row;
use crate::run::Runner;
use harness::{Name, proxy::Protocol};

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(20);

/// What was done before has settled by then.
const SETTLED: Duration = Duration::from_secs(5);

/// Queries a second that a process may ask its database.
const MOST: f64 = 2.0;

/// What is watched, on the way to its database.
const WATCHED_ARE: [(Name, &str); 3] = [
    (Name::RELAY, "queries a second at rest: the relay"),
    (Name::BASKET, "queries a second at rest: the basket"),
    (Name::CATALOG, "queries a second at rest: the catalog"),
];

impl Runner {
    /// Counts on the wire what each process asks its database while it has nothing to do.
    pub(super) async fn queries_at_rest(&mut self) -> Result<Vec<Row>> {
        self.settle(1, 1).await?;
        tokio::time::sleep(SETTLED).await;
        let before = self.calls()?;
        tokio::time::sleep(WATCHED).await;
        let counts = self.calls()?.into_iter().zip(before).map(|(after, before)| after - before);
        let rows = WATCHED_ARE.into_iter().zip(counts).map(|((_, name), count)| {
            #[expect(clippy::cast_precision_loss, reason = "a count of some seconds")]
            let rate = count as f64 / WATCHED.as_secs_f64();
            let (measured, must_be) = (format!("{rate:.2}"), format!("≤ {MOST}"));
            Row { name, of: 1, measured, must_be, met: rate <= MOST }.told()
        });
        Ok(rows.collect())
    }

    fn calls(&self) -> Result<Vec<u64>> {
        let calls = |(service, _)| Ok(self.environment.proxy(service, Protocol::Postgres)?.calls());
        WATCHED_ARE.into_iter().map(calls).collect()
    }
}
