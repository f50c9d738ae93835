//! `cargo shop down`.

use std::process::ExitCode;

use anyhow::Result;

use crate::home::{Home, Lock, Plan};
use crate::suite::{Stopped, stop_recorded};
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
    match stopped {
        Stopped { ended: 0, left: 0 } => terminal::say("nothing is running here"),
        Stopped { left: 0, .. } => {
            terminal::say("the shop is down; its data is kept (cargo shop reset clears it)");
        }
        Stopped { ended, left } => terminal::say(format!("{ended} stopped, {left} left as they are")),
    }
    Ok(if stopped.left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
