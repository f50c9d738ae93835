//! Watching a suite that is up.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;

use crate::home::Lock;
use crate::process::{Identity, Running, last_words};
use crate::registry::Name;
use crate::suite::{State, Suite};
use crate::terminal::{self, Interrupt, Progress};

/// Shows each process that ends, until the user asks to stop; then stops everything.
///
/// A process that ended stays down until a command starts it. Returns also when another command
/// (`cargo shop down`) has stopped the suite. While another command starts or stops something it waits for that; the
/// user ends the wait by asking a second time. The exit code is 1 if a process may go on.
pub(super) fn supervise(
    suite: &Suite,
    mut children: Vec<Running>,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<ExitCode> {
    // Processes seen alive and not yet reported as ended.
    let mut alive: BTreeMap<Name, Identity> =
        children.iter().map(|child| (child.name, child.process.clone())).collect();
    while interrupt.count() == 0 {
        if suite.home.stopping_mark().exists() || !suite.is_recorded()? {
            await_other_command(suite, interrupt)?;
            if interrupt.count() == 0 {
                progress.say("stopped by another cargo shop command");
                return Ok(ExitCode::SUCCESS);
            }
            break;
        }
        for name in suite.names() {
            report(name, suite, &mut children, &mut alive, progress)?;
        }
        terminal::pause();
    }

    let lock = Lock::take(&suite.home, &interrupt.second());
    let _lock =
        lock.inspect_err(|_| progress.say("  ! the shop was not stopped: cargo shop down stops it"))?;
    let stopped = suite.stop(progress, interrupt)?;
    progress.say(stopped.summary());
    Ok(stopped.exit_code())
}

fn report(
    name: Name,
    suite: &Suite,
    children: &mut [Running],
    alive: &mut BTreeMap<Name, Identity>,
    progress: &Progress,
) -> Result<()> {
    match suite.state(name)? {
        State::Running(process) if alive.get(&name) != Some(&process) => {
            progress.say(format!("  ✓ {name} runs again (pid {})", process.pid));
            alive.insert(name, process);
        }
        State::Died(process)
            if alive.get(&name) == Some(&process) && !suite.home.stopping_mark().exists() =>
        {
            alive.remove(&name);
            let log = suite.home.log(name);
            progress.say(format!(
                "  ✗ {name} (pid {}) {}; the end of {}:\n{}\n    start it again: cargo shop start {name}",
                process.pid,
                how_it_ended(&process, children)?,
                log.display(),
                last_words(&log),
            ));
        }
        _ => {}
    }
    Ok(())
}

/// Only a parent is told how a process ended: what `cargo shop start` has started is not our child.
fn how_it_ended(process: &Identity, children: &mut [Running]) -> Result<String> {
    match children.iter_mut().find(|child| child.process == *process) {
        Some(child) => Ok(match child.ended()? {
            Some(status) => format!("ended: {status}"),
            None => "ended".to_owned(),
        }),
        None => Ok("ended".to_owned()),
    }
}

/// Waits until the command that stops the suite has finished.
fn await_other_command(suite: &Suite, interrupt: &Interrupt) -> Result<()> {
    while suite.is_recorded()? && interrupt.count() == 0 {
        terminal::pause();
    }
    Ok(())
}
