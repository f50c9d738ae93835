//! Stopping everything that was started here, and nothing else.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Error, Result};
use rustix::process::Signal;

use crate::home::{Home, remove_if_there};
use crate::process::{Ending, Identity, Record, await_end};
use crate::registry::{Counts, Name};
use crate::servers::Rabbitmq;
use crate::suite::Suite;
use crate::terminal::{Interrupt, Progress};

/// What came of a stop.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stopped {
    /// How many processes were running, and have ended.
    pub ended: usize,
    /// How many may go on: those whose records cannot be read, and a port mapper that could not be ended.
    pub left: usize,
}

impl Stopped {
    /// What the user is told of it.
    pub fn summary(self) -> String {
        match self {
            Self { ended: 0, left: 0 } => "nothing is running here".to_owned(),
            Self { left: 0, .. } => {
                "the shop is down; its data is kept (cargo shop reset clears it)".to_owned()
            }
            Self { ended, left } => format!("{ended} stopped, {left} left as they are"),
        }
    }

    /// The exit code of a command that has stopped the shop: 1 if a process may go on.
    pub fn exit_code(self) -> ExitCode {
        if self.left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Suite {
    /// Stops the services, then the servers: see [`stop_recorded`].
    pub fn stop(&self, progress: &Progress, interrupt: &Interrupt) -> Result<Stopped> {
        stop_recorded(&self.home, &self.plan.servers, progress, interrupt)
    }
}

/// Stops every process that this home has a record of, the services first, and the port mapper of the servers whose data is
/// in `servers`. It reads nothing else, so that a shop with damaged files can be stopped; it says what it leaves.
///
/// Each is asked first and killed if it does not end in its time. A second Ctrl-C kills at once.
pub fn stop_recorded(
    home: &Home,
    servers: &Path,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Stopped> {
    let mark = home.stopping_mark();
    // Only `up` reads it, not to be surprised. On a full disk everything is stopped all the same.
    drop(fs::write(&mark, ""));
    let (last, first): (Vec<String>, Vec<String>) =
        Record::names(&home.run()).into_iter().partition(|name| server(name).is_some());
    let services = stop_these(home, &first, progress, interrupt)?;
    let both = stop_these(home, &last, progress, interrupt)?;
    let mut stopped = Stopped { ended: services.ended + both.ended, left: services.left + both.left };
    if let Err(error) = Rabbitmq::stop_port_mapper_in(servers) {
        progress.say(format!("  ! RabbitMQ's port mapper is left as it is: {error:#}"));
        stopped.left += 1;
    }
    remove_if_there(&mark, fs::remove_file)?;
    Ok(stopped)
}

fn stop_these(home: &Home, names: &[String], progress: &Progress, interrupt: &Interrupt) -> Result<Stopped> {
    let run = home.run();
    let (mut asked, mut left): (Vec<(&String, Identity)>, Vec<&String>) = (Vec::new(), Vec::new());
    for name in names {
        match Record::read(&run, name) {
            Ok(Some(Record { process })) => {
                if process.signal(signal(name))? {
                    // One that is frozen, or whose children are, hears nothing else.
                    process.signal_with_children(Signal::CONT)?;
                    asked.push((name, process));
                }
            }
            unreadable => {
                if let Some(why) = why_left(&run, name, unreadable.err()) {
                    progress.say(format!("  ! {name} is left as it is: {why}"));
                    left.push(name);
                }
            }
        }
    }
    if !asked.is_empty() {
        let list = asked.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        progress.during(
            &format!("stopping {list}"),
            |busy_with| {
                asked.iter().try_for_each(|(name, process)| {
                    busy_with(&format!("waiting for {name}"));
                    if await_end(process, patience(name), interrupt)? == Ending::Killed {
                        progress.say(format!("  ! {name} did not stop when asked and was killed"));
                    }
                    anyhow::Ok(())
                })
            },
            |()| format!("stopped {list}"),
        )?;
    }
    for name in names.iter().filter(|name| !left.contains(name)) {
        Record::remove(&run, name)?;
    }
    Ok(Stopped { ended: asked.len(), left: left.len() })
}

/// Why a process whose record cannot be read is left as it is; `None` if it has ended. Its number alone does not tell it
/// from a later process that was given the same number.
fn why_left(run: &Path, name: &str, unreadable: Option<Error>) -> Option<String> {
    match (Record::number(run, name), unreadable) {
        (Some(pid), _) if Identity::of(pid).is_none() => None,
        (Some(pid), Some(error)) => Some(format!("{error:#}; it may be process {pid}")),
        (Some(pid), None) => Some(format!("its record is gone; it may be process {pid}")),
        (None, Some(error)) => Some(format!("{error:#}")),
        (None, None) => None,
    }
}

/// The server of this name.
fn server(name: &str) -> Option<Name> {
    let brokers = (1..=Counts::MOST.brokers).map(Name::Rabbitmq);
    [Name::Postgres].into_iter().chain(brokers).find(|server| server.to_string() == name)
}

/// How each is asked to end. PostgreSQL's "fast" shutdown is SIGINT: on SIGTERM it would wait for its clients.
fn signal(name: &str) -> Signal {
    if server(name) == Some(Name::Postgres) { Signal::INT } else { Signal::TERM }
}

fn patience(name: &str) -> Duration {
    match server(name) {
        Some(Name::Rabbitmq(_)) => Duration::from_secs(40),
        _ => Duration::from_secs(20),
    }
}
