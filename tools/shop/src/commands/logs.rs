//! `cargo shop logs`.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::check_exists;
use crate::cli::LogsArgs;
use crate::registry::Name;
use crate::suite::Suite;
use crate::terminal::{self, Follower, Interrupt, tail};

/// Prints the last lines of one log or of all, and with `--follow` goes on until Ctrl-C.
pub(super) fn run(args: &LogsArgs) -> Result<ExitCode> {
    let suite = Suite::open()?;
    let names = match args.name {
        Some(name) => {
            check_exists(&suite, name)?;
            vec![name]
        }
        None => suite.names(),
    };
    let interrupt = Interrupt::install()?;
    let width = names.iter().map(|name| name.to_string().len()).max().unwrap_or(0);
    let show = |name: Name, line: &str| {
        if args.name.is_some() {
            terminal::print(line)
        } else {
            terminal::print(format!("{name:<width$} | {line}"))
        }
    };

    let mut followers = Vec::new();
    for name in names {
        let log = suite.home.log(name);
        followers.push((name, Follower::from_end(&log)));
        let lines = tail(&log, args.lines).with_context(|| format!("cannot read {}", log.display()))?;
        if !lines.iter().all(|line| show(name, line)) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    while args.follow && interrupt.count() == 0 {
        for (name, follower) in &mut followers {
            let lines = follower.new_lines().with_context(|| format!("cannot read the log of {name}"))?;
            if !lines.iter().all(|line| show(*name, line)) {
                return Ok(ExitCode::SUCCESS);
            }
        }
        terminal::pause();
    }
    Ok(ExitCode::SUCCESS)
}
