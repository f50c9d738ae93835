//! What the suite reaches, against what it has to reach. Each line is measured when it is asked for.

mod at_rest;
mod hostile;
mod isolation;
mod orders;
mod recovery;
mod survived;

use anyhow::{Result, ensure};
use serde::Serialize;
use shop::terminal::complain;

use crate::{
    cli::{Part, ReportArgs, ScoreboardArgs},
    faults,
    parallel::ParallelEnvironments,
};

/// One line of the scoreboard.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: &'static str,
    /// How many measurements, attempts or runs that is.
    pub(crate) of: usize,
    /// What came of it.
    pub(crate) measured: String,
    /// What has to come of it.
    pub(crate) must_be: String,
    /// Whether it has.
    pub(crate) met: bool,
}

impl Row {
    /// The line, after it was said: the next may take a while.
    fn told(self) -> Self {
        let sign = if self.met { '✓' } else { '✗' };
        complain(format!(
            "  {sign} {}: {} of {} (must be {})",
            self.name, self.measured, self.of, self.must_be
        ));
        self
    }
}

/// Measures the parts that are asked for.
pub(crate) async fn scoreboard(args: &ScoreboardArgs, report: &ReportArgs) -> Result<Vec<Row>> {
    let wants = |part| args.parts.is_empty() || args.parts.contains(&part);
    // A cluster of brokers is broken on its own: `cargo shop chaos cluster`.
    let of_one_broker =
        faults::all().into_iter().filter(|fault| wants(Part::Faults) && !fault.needs_cluster());
    let all: Vec<faults::Fault> = of_one_broker.collect();
    faults::flood_of(args.events);
    let mut environments = ParallelEnvironments::open(report, all.len()).await?;
    let interrupt = environments.interrupt.clone();
    let mut rows = Vec::new();
    if wants(Part::Faults) {
        let outcomes = environments.break_all(&all, report);
        interrupt.check()?;
        ensure!(outcomes.len() == all.len(), "only {} of {} faults were run", outcomes.len(), all.len());
        rows.extend(survived::rows(&outcomes, environments.heaviest()));
    }
    // What measures time or counts queries has the machine for itself.
    let mut runner = environments.into_one()?;
    if wants(Part::Rest) {
        rows.extend(runner.queries_at_rest().await?);
    }
    if wants(Part::Recovery) {
        rows.extend(runner.recoveries(args.repeats.into()).await?);
    }
    if wants(Part::Isolation) {
        rows.extend(runner.isolation(args.repeats.into()).await?);
    }
    if wants(Part::Orders) {
        rows.push(runner.orders(args.orders).await?);
    }
    if wants(Part::Order) {
        rows.push(hostile::ordered_events(args.events)?);
    }
    if wants(Part::Hostile) {
        rows.push(runner.hostile_messages(args.hostile).await?);
        drop(runner);
        rows.push(hostile::malformed_requests(args.hostile)?);
        rows.push(hostile::unauthorised()?);
    }
    Ok(rows)
}
