//! `cargo shop chaos`: breaks the whole suite on purpose and checks that every promise was kept.
//!
//! | folder | its job |
//! |---|---|
//! | `stage` | private servers, real processes, a proxy on every way between them |
//! | `proxy` | the proxy: slow, silent, cut, or short of one confirmation |
//! | `load` | the people who go on changing prices and carts meanwhile |
//! | `faults` | everything that is broken, one function a fault |
//! | `check` | the evidence, and the checks that it is held against |
//! | `run` | one fault, from a healthy suite to a verdict |
//! | `report` | table, JSON and a page with time lines |

mod check;
mod cli;
mod faults;
mod load;
mod patience;
mod proxy;
mod report;
mod run;
mod stage;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde::Serialize;
use shop::terminal::{Interrupt, Interrupted};

use crate::{
    cli::{Cli, Command, ReportArgs},
    faults::Fault,
    report::{Report, page, print_broken, print_scoreboard, print_table},
    run::{Outcome, Runner, Verdict, soak},
    stage::Stage,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says; whether every promise was kept.
async fn run(cli: Cli) -> Result<bool> {
    match cli.command {
        Command::List => {
            for fault in faults::all() {
                println!("{:32} {:10} {}", fault.name, fault.group, fault.about);
            }
            Ok(true)
        }
        Command::Run { names } => break_these(&chosen(&names)?, &cli.report).await,
        Command::Relay => break_these(&chosen(&["relay", "broker", "postgres"])?, &cli.report).await,
        Command::All => break_these(&faults::all(), &cli.report).await,
        Command::Soak { minutes, relays } => {
            break_these(&[soak(Duration::from_secs(60 * minutes), relays)], &cli.report).await
        }
        Command::Scoreboard { repeats } => {
            let (_, mut runner) = open(&cli.report).await?;
            let rows = runner.scoreboard(repeats.into()).await?;
            drop(runner);
            show(&cli.report, &rows, || print_scoreboard(&rows))?;
            Ok(rows.iter().all(|row| row.met))
        }
        Command::Broken => {
            let (_, mut runner) = open(&cli.report).await?;
            let all = runner.broken().await?;
            drop(runner);
            show(&cli.report, &all, || print_broken(&all))?;
            Ok(all.iter().all(|broken| broken.noticed))
        }
    }
}

/// A healthy suite, and the seed of everything that will be done to it.
async fn open(args: &ReportArgs) -> Result<(u64, Runner)> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let interrupt = Interrupt::install()?;
    eprintln!("  seed {seed}");
    let stage = Stage::open(&binaries()?, &interrupt).await?;
    Ok((seed, Runner::open(stage, seed).await?))
}

fn show(args: &ReportArgs, rows: &impl Serialize, print: impl FnOnce()) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(rows)?);
    } else {
        print();
    }
    Ok(())
}

/// The faults of these names and groups, in their usual order.
fn chosen(names: &[impl AsRef<str>]) -> Result<Vec<Fault>> {
    let all = faults::all();
    for name in names.iter().map(AsRef::as_ref) {
        if !all.iter().any(|fault| fault.name == name || fault.group == name) {
            bail!("there is no fault and no group {name:?}: cargo shop chaos list");
        }
    }
    let is_chosen =
        |fault: &Fault| names.iter().any(|name| [fault.name, fault.group].contains(&name.as_ref()));
    Ok(all.into_iter().filter(is_chosen).collect())
}

async fn break_these(faults: &[Fault], args: &ReportArgs) -> Result<bool> {
    let (seed, mut runner) = open(args).await?;
    let interrupt = runner.stage.interrupt.clone();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (number, fault) in faults.iter().enumerate() {
        eprintln!("  … {}/{} {}: {}", number + 1, faults.len(), fault.name, fault.about);
        let mut outcome = runner.run(fault, 0).await;
        for repeat in 1..args.repeat {
            outcome.add(runner.run(fault, repeat).await);
        }
        tell(&outcome);
        outcomes.push(outcome);
        if interrupt.check().is_err() {
            break;
        }
    }
    if let Some(directory) = &args.logs {
        keep_logs(&runner, directory)?;
    }
    drop(runner);
    if let Some(file) = &args.html {
        std::fs::write(file, page(seed, &outcomes))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    show(args, &Report { seed, faults: &outcomes }, || {
        print_table(&outcomes);
        println!("seed {seed}");
    })?;
    interrupt.check()?;
    Ok(outcomes.iter().all(|outcome| outcome.verdict == Verdict::Pass))
}

fn tell(outcome: &Outcome) {
    let sign = if outcome.verdict == Verdict::Pass { '✓' } else { '✗' };
    let recovery = outcome.recovery_p50_s.map_or(String::new(), |s| format!(", recovered in {s:.2} s"));
    eprintln!(
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
        eprintln!("      {violation}");
    }
}

fn keep_logs(runner: &Runner, directory: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(directory).context("cannot make a directory for the logs")?;
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
