//! `cargo shop up`.

mod build_and_start;
mod stages;
mod supervise;

use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::cli::UpArgs;
use crate::home::{Home, Lock};
use crate::suite::{State, Suite, addresses};
use crate::terminal::{self, Interrupt, Progress};

/// Brings the suite up and, unless detached, watches it until Ctrl-C, then stops it.
///
/// If it is up already, says where. If it cannot be brought up, stops what was started. Fails if something of
/// an earlier `up` could not be stopped.
pub(super) fn run(args: &UpArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new();
    let home = Home::of_checkout();
    let lock = Lock::take(&home, &interrupt)?;
    if let Some(suite) = Suite::of_home(&home)?
        && suite.is_up()?
    {
        if suite.is_whole()? {
            return already_up(&suite);
        }
        progress.say("  ! an earlier up or down was cut short, or services were added: starting again");
        let stopped = suite.stop(&progress, &interrupt)?;
        ensure!(
            stopped.left == 0,
            "{}, so nothing was started: what may go on is named above; end it and try again, or clear everything \
             with cargo shop reset",
            stopped.summary()
        );
    }

    let (suite, children) = stages::bring_up(args, &home, &progress, &interrupt)?;
    terminal::say(addresses(&suite)?);
    drop(lock);
    if args.detach {
        terminal::say("It runs in the background: cargo shop down stops it.");
        return Ok(ExitCode::SUCCESS);
    }
    terminal::say("Ctrl-C stops everything.\n");
    supervise::supervise(&suite, children, &progress, &interrupt)
}

fn already_up(suite: &Suite) -> Result<ExitCode> {
    // The tokens in it last a day, and the suite may have been up for longer.
    suite.env_file()?.save(&suite.home)?;
    terminal::say(addresses(suite)?);
    terminal::say("It was already up, and was left as it is: cargo shop down stops it.");
    for name in suite.names() {
        if !matches!(suite.state(name)?, State::Running(_)) {
            terminal::say(format!("  ! {name} does not run: cargo shop start {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
