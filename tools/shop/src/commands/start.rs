//! `cargo shop start`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use super::check_exists;
use crate::home::{Home, Lock};
use crate::registry::Name;
use crate::servers::{Choice, Tools};
use crate::suite::{State, Suite};
use crate::terminal::{self, Interrupt, Progress};

/// Starts one process of a suite that is up, and returns when it is ready. One that takes too long for that goes on.
pub(super) fn run(name: Name, servers: &Choice) -> Result<ExitCode> {
    let suite = Suite::open()?;
    check_exists(&suite, name)?;
    let interrupt = Interrupt::install()?;
    let lock = Lock::take(&Home::of_checkout(), &interrupt)?;
    match suite.state(name)? {
        State::Running(process) => {
            terminal::say(format!("{name} already runs (pid {})", process.pid));
            return Ok(ExitCode::SUCCESS);
        }
        State::Died(_) | State::Stopped if suite.is_recorded()? => {}
        State::Died(_) | State::Stopped => bail!("the suite is not up: cargo shop up starts everything"),
    }

    let began = Instant::now();
    let progress = Progress::new();
    let tools = || Tools::find_or_install(servers, &progress, &interrupt);
    // What a service or the broker waits for may have to be started as well, by another command.
    let started = suite.start_alone(name, &tools, &interrupt, || drop(lock));
    if started.is_err()
        && let State::Running(process) = suite.state(name)?
    {
        let pid = process.pid;
        terminal::complain(format!(
            "  … {name} (pid {pid}) goes on: cargo shop status says when it is ready"
        ));
    }
    let running = started?;
    terminal::say(format!(
        "{name} runs (pid {}), ready after {:.1} s",
        running.process.pid,
        began.elapsed().as_secs_f32()
    ));
    Ok(ExitCode::SUCCESS)
}
