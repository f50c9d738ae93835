//! `cargo shop kill`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::check_exists;
use crate::process;
use crate::registry::Name;
use crate::suite::{State, Suite};
use crate::terminal;

/// Kills one process with SIGKILL, and returns when it is gone.
pub(super) fn run(name: Name) -> Result<ExitCode> {
    let suite = Suite::open()?;
    check_exists(&suite, name)?;
    match suite.state(name)? {
        State::Running(process) => {
            // A frozen session of a killed PostgreSQL would never notice.
            process.signal_with_children(Signal::CONT)?;
            if !process::kill(&process)? {
                bail!("{name} has just ended by itself: cargo shop logs {name} may say why");
            }
            terminal::say(format!(
                "killed {name} (pid {}); start it again: cargo shop start {name}",
                process.pid
            ));
            Ok(ExitCode::SUCCESS)
        }
        State::Died(_) => bail!("{name} does not run: cargo shop start {name}"),
        State::Stopped => bail!("{name} does not run: cargo shop up starts everything"),
    }
}
