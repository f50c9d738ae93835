//! `cargo shop chaos`: breaks the whole suite on purpose and checks that every promise was kept.
//!
//! | folder | its job |
//! |---|---|
//! | `workload` | clients that change prices and carts meanwhile |
//! | `faults` | everything that is broken, one function a fault |
//! | `check` | the observations of a run, and the checks on them |
//! | `parallel` | parallel environments that share the faults |
//! | `run` | one fault, from a healthy suite to a verdict |
//! | `release` | the programs of an older release |
//! | `report` | table, JSON and a page with timelines |
//!
//! Servers, processes and proxies are those of the crate `harness`.

mod check;
mod cli;
mod faults;
mod parallel;
mod release;
mod report;
mod run;
mod workload;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde::Serialize;
use shop::terminal::{Interrupt, Interrupted, complain, say};

use crate::{
    cli::{Cli, Command, ReportArgs},
    faults::Fault,
    parallel::ParallelEnvironments,
    release::build_release,
    report::{Report, page, print_broken, print_scoreboard, print_table},
    run::{Outcome, Verdict, scoreboard, soak},
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            complain(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says; whether every promise was kept.
async fn run(cli: Cli) -> Result<bool> {
    match cli.command {
        Command::List => {
            for fault in faults::all().iter().chain(faults::UPGRADE) {
                say(format!("{:32} {:10} {}", fault.name, fault.group, fault.about));
            }
            Ok(true)
        }
        Command::Run { names } => break_these(&chosen(&names)?, &cli.report).await,
        Command::Relay => break_these(&chosen(&["relay", "broker", "postgres"])?, &cli.report).await,
        Command::Cluster => break_these(&chosen(&["cluster"])?, &cli.report).await,
        Command::All => break_these(&faults::all(), &cli.report).await,
        Command::Upgrade { from } => {
            let older = build_release(from.as_deref(), &Interrupt::install()?)?;
            let mut environment = ParallelEnvironments::older(&cli.report, older).await?;
            let outcomes = environment.break_all(faults::UPGRADE, &cli.report);
            drop(environment);
            show_outcomes(&outcomes, faults::UPGRADE, &cli.report)
        }
        Command::Soak { minutes, relays } => {
            break_these(&[soak(Duration::from_secs(60 * minutes), relays)?], &cli.report).await
        }
        Command::Flood { events } => {
            faults::flood_of(events);
            break_these(&chosen(&["flood"])?, &cli.report).await
        }
        Command::Scoreboard(args) => {
            let rows = scoreboard(&args, &cli.report).await?;
            show(&cli.report, &rows, || print_scoreboard(&rows))?;
            Ok(rows.iter().all(|row| row.met))
        }
        Command::Broken { safeties } => {
            let mut runner = ParallelEnvironments::open(&cli.report, 1).await?.into_one()?;
            let all = runner.broken(&safeties).await?;
            drop(runner);
            show(&cli.report, &all, || print_broken(&all))?;
            Ok(all.iter().all(|broken| broken.noticed))
        }
    }
}

fn show(args: &ReportArgs, rows: &impl Serialize, print: impl FnOnce()) -> Result<()> {
    if args.json {
        say(serde_json::to_string_pretty(rows)?);
    } else {
        print();
    }
    Ok(())
}

/// The faults of these names and groups, in their usual order.
fn chosen(names: &[impl AsRef<str>]) -> Result<Vec<Fault>> {
    let all = faults::all();
    for name in names.iter().map(AsRef::as_ref) {
        if faults::UPGRADE.iter().any(|fault| fault.name == name || fault.group == name) {
            bail!("{name:?} needs an older release: cargo shop chaos upgrade");
        }
        if !all.iter().any(|fault| fault.name == name || fault.group == name) {
            bail!("there is no fault and no group {name:?}: cargo shop chaos list");
        }
    }
    let is_chosen =
        |fault: &Fault| names.iter().any(|name| [fault.name, fault.group].contains(&name.as_ref()));
    Ok(all.into_iter().filter(is_chosen).collect())
}

async fn break_these(faults: &[Fault], args: &ReportArgs) -> Result<bool> {
    let (clustered, others): (Vec<Fault>, Vec<Fault>) =
        faults.iter().partition(|fault| fault.needs_cluster());
    let interrupt = Interrupt::install()?;
    let mut outcomes = Vec::new();
    if !others.is_empty() {
        outcomes = ParallelEnvironments::open(args, others.len()).await?.break_all(&others, args);
    }
    if !clustered.is_empty() && interrupt.check().is_ok() {
        outcomes.extend(ParallelEnvironments::cluster(args).await?.break_all(&clustered, args));
    }
    show_outcomes(&outcomes, faults, args)
}

/// Shows what came of these faults; whether each of them was run, and passed.
fn show_outcomes(outcomes: &[Outcome], faults: &[Fault], args: &ReportArgs) -> Result<bool> {
    let seed = args.seed;
    if let Some(file) = &args.html {
        std::fs::write(file, page(seed, outcomes))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    show(args, &Report { seed, faults: outcomes }, || {
        print_table(outcomes);
        say(format!("seed {seed}"));
    })?;
    Interrupt::install()?.check()?;
    Ok(outcomes.len() == faults.len() && outcomes.iter().all(|outcome| outcome.verdict == Verdict::Pass))
}
