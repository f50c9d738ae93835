//! Several stages side by side, each with servers and services of its own, that share the faults among them:
//! most of what a fault takes is waiting.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use shop::terminal::Interrupt;
use tokio::runtime::Handle;

use crate::{
    cli::ReportArgs,
    faults::Fault,
    run::{Outcome, Runner, Verdict},
    stage::Stage,
};

/// From so many faults on, a second stage pays for its start.
const MANY: usize = 8;

/// Stages that wait for faults.
pub(crate) struct Lanes {
    runners: Vec<Runner>,
    pub(crate) interrupt: Interrupt,
    /// The seed of everything that will be done.
    pub(crate) seed: u64,
}

impl Lanes {
    /// Brings up as many stages as are asked for, or as pay for so many faults.
    pub(crate) async fn open(args: &ReportArgs, faults: usize) -> Result<Self> {
        let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        eprintln!("  seed {seed}");
        let interrupt = Interrupt::install()?;
        let mut runners = Vec::new();
        // One after the other: two that look for free ports at the same moment find the same.
        for lane in 0..lanes_for(args.lanes, faults) {
            let stage = Stage::open(&binaries()?, lane, &interrupt).await?;
            runners.push(Runner::open(stage, seed).await?);
        }
        Ok(Self { runners, interrupt, seed })
    }

    /// The one stage of whoever needs no more; the others end.
    pub(crate) fn into_one(mut self) -> Result<Runner> {
        self.runners.truncate(1);
        self.runners.pop().context("there is no stage")
    }

    /// The most that a relay or a basket of any stage was seen to have in memory, in bytes.
    pub(crate) fn heaviest(&self) -> u64 {
        self.runners.iter().map(|runner| runner.stage.heaviest).max().unwrap_or(0)
    }

    /// Breaks everything, each fault on the next stage that is free, and returns what came of it in the
    /// faults' order. Ends early when it is interrupted.
    pub(crate) fn break_all(&mut self, faults: &[Fault], args: &ReportArgs) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(BTreeMap::new());
        let runtime = Handle::current();
        let interrupt = &self.interrupt;
        let lane = |number: usize, runner: &mut Runner| {
            // For what ends in the background when the stage does.
            let _context = runtime.enter();
            while interrupt.check().is_ok() {
                let index = next.fetch_add(1, Ordering::SeqCst);
                let Some(fault) = faults.get(index) else { break };
                eprintln!("  … {}/{} {}: {}", index + 1, faults.len(), fault.name, fault.about);
                let outcome = runtime.block_on(repeated(runner, fault, args.repeat));
                tell(&outcome);
                let has_failed = outcome.verdict == Verdict::Fail;
                outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(index, outcome);
                if has_failed
                    && interrupt.check().is_ok()
                    && let Err(error) = runtime.block_on(replace(runner, fault.name, args))
                {
                    eprintln!("  lane {number}: there is no new stage: {error:#}");
                    break;
                }
            }
            if let Err(error) = keep_logs(runner, &format!("lane-{number}"), args) {
                eprintln!("  lane {number}: {error:#}");
            }
        };
        thread::scope(|scope| {
            let lane = &lane;
            let lanes = self.runners.iter_mut().enumerate();
            let lanes: Vec<_> = lanes.map(|(n, runner)| scope.spawn(move || lane(n + 1, runner))).collect();
            // What a lane that panicked has not done is missing among the outcomes.
            for lane in lanes {
                drop(lane.join());
            }
        });
        outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }
}

/// How many stages there are for so many faults: as many as are asked for, or as pay, and never none.
fn lanes_for(asked: Option<u8>, faults: usize) -> u8 {
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
        outcome.seen,
        outcome.ok,
        outcome.failed,
        outcome.unknown,
        outcome.repeats,
    );
    for violation in &outcome.violations {
        text.push_str("\n      ");
        text.push_str(violation);
    }
    // At once: another lane may have something to say as well.
    eprintln!("{text}");
}

/// A new stage after a fault that was not survived: what is left of it is not the next one's fault.
async fn replace(runner: &mut Runner, fault: &str, args: &ReportArgs) -> Result<()> {
    keep_logs(runner, fault, args)?;
    *runner = runner.anew().await?;
    Ok(())
}

fn keep_logs(runner: &Runner, name: &str, args: &ReportArgs) -> Result<()> {
    let Some(directory) = &args.logs else { return Ok(()) };
    let directory = directory.join(name);
    std::fs::create_dir_all(&directory).context("cannot make a directory for the logs")?;
    for entry in std::fs::read_dir(runner.logs()).context("there are no logs")?.flatten() {
        std::fs::copy(entry.path(), directory.join(entry.file_name())).context("cannot keep a log")?;
    }
    Ok(())
}

/// The services' programs, beside this one.
fn binaries() -> Result<BTreeMap<String, PathBuf>> {
    let own = std::env::current_exe().context("this program has no path")?;
    let folder = own.parent().context("this program is in no folder")?;
    let find = |name: &str| {
        let path = folder.join(name);
        anyhow::ensure!(path.is_file(), "{} is not built: use cargo shop chaos", path.display());
        Ok((name.to_owned(), path))
    };
    ["catalog-api", "basket-api", "outbox-relay"].into_iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_stage_also_where_no_fault_is_run_and_never_more_than_faults() {
        assert_eq!((lanes_for(None, 0), lanes_for(Some(4), 0)), (1, 1));
        assert_eq!((lanes_for(None, 3), lanes_for(Some(4), 3)), (1, 3));
        assert_eq!((lanes_for(None, 98), lanes_for(Some(4), 98)), (2, 4));
    }
}
