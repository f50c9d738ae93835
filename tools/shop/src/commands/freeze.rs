//! `cargo shop freeze` and `cargo shop thaw`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::check_exists;
use crate::registry::Name;
use crate::suite::{State, Suite};
use crate::terminal;

/// Stops one process where it is (SIGSTOP), with its children: it keeps its connections and does not answer.
pub(super) fn freeze(name: Name) -> Result<ExitCode> {
    signal(name, Signal::STOP)?;
    terminal::say(format!("froze {name}; let it go on: cargo shop thaw {name}"));
    Ok(ExitCode::SUCCESS)
}

/// Lets a frozen process go on; one that was not frozen does not notice.
pub(super) fn thaw(name: Name) -> Result<ExitCode> {
    signal(name, Signal::CONT)?;
    terminal::say(format!("{name} goes on"));
    Ok(ExitCode::SUCCESS)
}

fn signal(name: Name, signal: Signal) -> Result<()> {
    let suite = Suite::open()?;
    check_exists(&suite, name)?;
    if let State::Running(process) = suite.state(name)?
        && process.signal_with_children(signal)?
    {
        return Ok(());
    }
    bail!("{name} does not run: cargo shop start {name}");
}
