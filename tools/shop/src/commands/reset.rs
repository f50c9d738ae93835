//! `cargo shop reset`.

use std::process::ExitCode;

use anyhow::Result;

use crate::home::{Home, Lock, Ports, Secrets};
use crate::servers::Place;
use crate::suite::Suite;
use crate::terminal::{self, Interrupt, Progress};

/// Stops everything and removes `.shop/`, and the servers' data if that lies elsewhere.
pub(super) fn run() -> Result<ExitCode> {
    let home = Home::of_checkout();
    if !home.dir().is_dir() {
        terminal::say("there is nothing to clear");
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::install()?;
    let _lock = Lock::take(&home, &interrupt)?;
    // Nothing in these is needed to stop a shop, and a damaged one must not keep it from being cleared.
    if Ports::load(&home).is_err() {
        Ports::default().save(&home)?;
    }
    Secrets::forget_if_damaged(&home)?;
    if let Some(suite) = Suite::of_home(&home)? {
        suite.stop(&Progress::new(), &interrupt)?;
        Place::clear(&suite.plan.servers)?;
    }
    Place::clear(home.dir())?;
    terminal::say("cleared: the next cargo shop up begins with an empty shop");
    Ok(ExitCode::SUCCESS)
}
