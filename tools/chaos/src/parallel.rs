//! Parallel environments, each with servers and services of its own. They share the faults: most of the time of
//! a fault is waiting.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use shop::{
    registry::CLUSTER,
    terminal::{Interrupt, complain},
};
use tokio::runtime::Handle;

use crate::{
    cli::ReportArgs,
    faults::Fault,
    run::{Outcome, Runner, Verdict},
};
use harness::{Environment, Options, Programs};

/// From this many faults on, a second environment pays for its start.
const MANY: usize = 8;

/// Environments that wait for faults.
pub(crate) struct ParallelEnvironments {
    runners: Vec<Runner>,
    pub(crate) interrupt: Interrupt,
}

impl ParallelEnvironments {
    /// Brings up as many environments as are asked for, or as pay for this many faults.
    pub(crate) async fn open(args: &ReportArgs, faults: usize) -> Result<Self> {
        Self::start(args, how_many(args.parallel, faults), 1, None).await
    }

    /// Brings up one environment whose broker is a cluster: its nodes have enough to do on one machine.
    pub(crate) async fn cluster(args: &ReportArgs) -> Result<Self> {
        Self::start(args, 1, CLUSTER, None).await
    }

    /// Brings up one environment of an older release.
    pub(crate) async fn older(args: &ReportArgs, programs: Programs) -> Result<Self> {
        Self::start(args, 1, 1, Some(programs)).await
    }

    async fn start(
        args: &ReportArgs,
        environments: u8,
        brokers: u8,
        older: Option<Programs>,
    ) -> Result<Self> {
        let seed = args.seed;
        complain(format!("  seed {seed}"));
        let interrupt = Interrupt::install()?;
        let mut runners = Vec::new();
        // One after the other: two that choose free ports at the same moment choose the same.
        for number in 0..environments {
            let options = Options {
                purpose: "to be broken",
                number,
                brokers,
                is_proxied: brokers == 1,
                connections: 4,
                // A database may be unavailable on purpose.
                acquire: Duration::from_secs(2),
                older: older.clone(),
            };
            runners.push(Runner::open(Environment::open(options, &interrupt).await?, seed).await?);
        }
        Ok(Self { runners, interrupt })
    }

    /// The first environment; the others end.
    pub(crate) fn into_one(mut self) -> Result<Runner> {
        self.runners.truncate(1);
        self.runners.pop().context("there is no environment")
    }

    /// The most that a relay or a basket of any environment was seen to have in memory, in bytes.
    pub(crate) fn heaviest(&self) -> u64 {
        self.runners.iter().map(|runner| runner.heaviest).max().unwrap_or(0)
    }

    /// Breaks everything, each fault on the next environment that is free, and returns what came of it in the
    /// faults' order. Ends early when it is interrupted.
    pub(crate) fn break_all(&mut self, faults: &[Fault], args: &ReportArgs) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(BTreeMap::new());
        let runtime = Handle::current();
        let interrupt = &self.interrupt;
        let work = |number: usize, runner: &mut Runner| {
            // For what ends in the background when the environment does.
            let _context = runtime.enter();
            while interrupt.check().is_ok() {
                let index = next.fetch_add(1, Ordering::SeqCst);
                let Some(fault) = faults.get(index) else { break };
                complain(format!("  … {}/{} {}: {}", index + 1, faults.len(), fault.name, fault.about));
                let outcome = runtime.block_on(repeated(runner, fault, args.repeat));
                tell(&outcome);
                let has_failed = outcome.verdict == Verdict::Fail;
                outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(index, outcome);
                if has_failed
                    && interrupt.check().is_ok()
                    && let Err(error) = runtime.block_on(replace(runner, fault.name, args))
                {
                    complain(format!("  environment {number}: there is no new environment: {error:#}"));
                    break;
                }
            }
            if let Err(error) = keep_logs(runner, &format!("environment-{number}"), args) {
                complain(format!("  environment {number}: {error:#}"));
            }
        };
        thread::scope(|scope| {
            let work = &work;
            let runners = self.runners.iter_mut().enumerate();
            let threads: Vec<_> =
                runners.map(|(n, runner)| scope.spawn(move || work(n + 1, runner))).collect();
            // The outcomes of a thread that panicked are missing.
            for thread in threads {
                drop(thread.join());
            }
        });
        outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }
}

/// How many environments there are for this many faults: at least one.
fn how_many(asked: Option<u8>, faults: usize) -> u8 {
    let most = u8::try_from(faults.max(1)).unwrap_or(u8::MAX);
    asked.unwrap_or(if faults >= MANY { 2 } else { 1 }).min(most)
}

async fn repeated(runner: &mut Runner, fault: &Fault, repeats: u64) -> Outcome {
    let mut outcome = runner.run(fault, 0).await;
    for repeat in 1..repeats {
        outcome.add(runner.run(fault, repeat).await);
    }
    outcome
}

fn tell(outcome: &Outcome) {
    let sign = if outcome.verdict == Verdict::Pass { '✓' } else { '✗' };
    let recovery = outcome.recovery_p50_s.map_or(String::new(), |s| format!(", recovered in {s:.2} s"));
    let mut text = format!(
        "  {sign} {}: {} ({:.0} s; seen {}, {} ok, {} failed, {} unknown, {} repeats{recovery})",
        outcome.name,
        outcome.verdict,
        outcome.seconds,
        outcome.counts.seen,
        outcome.counts.ok,
        outcome.counts.failed,
        outcome.counts.unknown,
        outcome.counts.found.repeats,
    );
    for violation in &outcome.violations {
        text.push_str("\n      ");
        text.push_str(violation);
    }
    // In one piece: another environment may report as well.
    complain(text);
}

/// Opens a new environment after a fault that was not survived, so that the next fault begins with a healthy one.
async fn replace(runner: &mut Runner, fault: &str, args: &ReportArgs) -> Result<()> {
    keep_logs(runner, fault, args)?;
    *runner = runner.anew().await?;
    Ok(())
}

fn keep_logs(runner: &Runner, name: &str, args: &ReportArgs) -> Result<()> {
    let Some(directory) = &args.logs else { return Ok(()) };
    let directory = directory.join(name);
    std::fs::create_dir_all(&directory).context("cannot make a directory for the logs")?;
    for entry in std::fs::read_dir(runner.environment.logs()).context("there are no logs")?.flatten() {
        std::fs::copy(entry.path(), directory.join(entry.file_name())).context("cannot keep a log")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_environment_without_faults_and_never_more_than_there_are_faults() {
        assert_eq!((how_many(None, 0), how_many(Some(4), 0)), (1, 1));
        assert_eq!((how_many(None, 3), how_many(Some(4), 3)), (1, 3));
        assert_eq!((how_many(None, 98), how_many(Some(4), 98)), (2, 4));
    }
}
