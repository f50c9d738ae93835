//! Stopping everything that was started here, and nothing else.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::home::remove_if_there;
use crate::process::{Ending, Identity, Record, await_end};
use crate::registry::{Counts, Name};
use crate::servers::Rabbitmq;
use crate::suite::{State, Suite};
use crate::terminal::{Interrupt, Progress};

impl Suite {
    /// Stops the services, then the servers; returns how many processes were running.
    ///
    /// Each is asked first and killed if it does not end in its time. A second Ctrl-C kills at once.
    pub fn stop(&self, progress: &Progress, interrupt: &Interrupt) -> Result<usize> {
        let mark = self.home.stopping_mark();
        // Only `up` reads it, not to be surprised. On a full disk everything is stopped all the same.
        drop(fs::write(&mark, ""));
        let services = self.stop_these(&self.registry.programs(Counts::MOST), progress, interrupt)?;
        let brokers = (1..=Counts::MOST.brokers).map(Name::Rabbitmq);
        let servers: Vec<Name> = [Name::Postgres].into_iter().chain(brokers).collect();
        let others = self.stop_others(&servers, progress, interrupt)?;
        let servers = self.stop_these(&servers, progress, interrupt)?;
        Rabbitmq::stop_port_mapper_in(&self.plan.servers)?;
        remove_if_there(&mark, fs::remove_file)?;
        Ok(services + others + servers)
    }

    /// Stops what was started by another state of the checkout, whose registry had other services.
    fn stop_others(&self, servers: &[Name], progress: &Progress, interrupt: &Interrupt) -> Result<usize> {
        let (run, mut stopped) = (self.home.run(), 0);
        let servers: Vec<String> = servers.iter().map(Name::to_string).collect();
        for name in Record::names(&run).into_iter().filter(|name| !servers.contains(name)) {
            if let Some(Record { process }) = Record::read(&run, &name)?.filter(|it| it.process.is_alive()) {
                progress.say(format!("  … stopping {name}, which services.toml no longer has"));
                process.signal(Signal::TERM)?;
                process.signal(Signal::CONT)?;
                await_end(&process, OTHERS, interrupt)?;
                stopped += 1;
            }
            Record::remove(&run, &name)?;
        }
        Ok(stopped)
    }

    /// Signals a process, and PostgreSQL's sessions, which are processes of their own; `false` if it has ended.
    pub fn signal(&self, name: Name, process: &Identity, signal: Signal) -> Result<bool> {
        let is_there = process.signal(signal)?;
        if name == Name::Postgres {
            for session in process.children() {
                session.signal(signal)?;
            }
        }
        Ok(is_there)
    }

    fn stop_these(&self, names: &[Name], progress: &Progress, interrupt: &Interrupt) -> Result<usize> {
        let mut asked: Vec<(Name, Identity)> = Vec::new();
        for &name in names {
            if let State::Running(process) = self.state(name)?
                && process.signal(signal(name))?
            {
                // A frozen one hears nothing else.
                self.signal(name, &process, Signal::CONT)?;
                asked.push((name, process));
            }
        }
        if !asked.is_empty() {
            let list = asked.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
            progress.during(
                &format!("stopping {list}"),
                |busy_with| {
                    asked.iter().try_for_each(|(name, process)| {
                        busy_with(&format!("waiting for {name}"));
                        if await_end(process, patience(*name), interrupt)? == Ending::Killed {
                            progress.say(format!("  ! {name} did not stop when asked and was killed"));
                        }
                        anyhow::Ok(())
                    })
                },
                |()| format!("stopped {list}"),
            )?;
        }
        for name in names {
            Record::remove(&self.home.run(), &name.to_string())?;
        }
        Ok(asked.len())
    }
}

/// How each is asked to end. PostgreSQL's "fast" shutdown is SIGINT: on SIGTERM it would wait for its clients.
fn signal(name: Name) -> Signal {
    if name == Name::Postgres { Signal::INT } else { Signal::TERM }
}

/// How long services that the registry no longer has get to end.
const OTHERS: Duration = Duration::from_secs(20);

fn patience(name: Name) -> Duration {
    match name {
        Name::Rabbitmq(_) => Duration::from_secs(40),
        _ => Duration::from_secs(20),
    }
}
