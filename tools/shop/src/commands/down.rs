//! `cargo shop down`.

use std::process::ExitCode;

use anyhow::Result;

use crate::home::{Home, Lock, Plan};
use crate::suite::stop_recorded;
use crate::terminal::{self, Interrupt, Progress};

/// Stops everything; to find nothing running is fine. The exit code is 1 if a process may run on.
pub(super) fn run() -> Result<ExitCode> {
    let home = Home::of_checkout();
    if !home.dir().is_dir() {
        terminal::say("nothing is running here");
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::install()?;
    let _lock = Lock::take(&home, &interrupt)?;
    let stopped = stop_recorded(&home, &Plan::servers(&home)?, &Progress::new(), &interrupt)?;
    terminal::say(stopped.summary());
    Ok(stopped.exit_code())
}
