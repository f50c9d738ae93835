//! `cargo shop reset`.

use std::process::ExitCode;

use anyhow::Result;

use crate::home::{Home, Lock, Plan};
use crate::servers::Place;
use crate::suite::stop_recorded;
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
    let servers = Plan::servers(&home)?;
    // What it leaves it has named: that must not keep the shop from being cleared.
    stop_recorded(&home, &servers, &Progress::new(), &interrupt).map(drop)?;
    Place::clear(&servers)?;
    Place::clear(home.dir())?;
    terminal::say("cleared: the next cargo shop up begins with an empty shop");
    Ok(ExitCode::SUCCESS)
}
