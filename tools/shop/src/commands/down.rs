//! `cargo shop down`.

use std::process::ExitCode;

use anyhow::Result;

use crate::home::{Home, Lock};
use crate::suite::Suite;
use crate::terminal::{self, Interrupt, Progress};

/// Stops everything; to find nothing running is fine.
pub(super) fn run() -> Result<ExitCode> {
    let home = Home::of_checkout();
    let interrupt = Interrupt::install()?;
    let Some(suite) = Suite::of_home(&home)? else {
        terminal::say("nothing is running here");
        return Ok(ExitCode::SUCCESS);
    };
    let _lock = Lock::take(&home, &interrupt)?;
    match suite.stop(&Progress::new(), &interrupt)? {
        0 => terminal::say("nothing is running here"),
        _ => terminal::say("the shop is down; its data is kept (cargo shop reset clears it)"),
    }
    Ok(ExitCode::SUCCESS)
}
