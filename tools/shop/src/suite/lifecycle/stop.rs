//! Stopping everything that was started here, and nothing else.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

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
        fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
        let services = self.stop_these(&self.registry.programs(Counts::MOST), progress, interrupt)?;
        let brokers = (1..=Counts::MOST.brokers).map(Name::Rabbitmq);
        let servers: Vec<Name> = [Name::Postgres].into_iter().chain(brokers).collect();
        let servers = self.stop_these(&servers, progress, interrupt)?;
        Rabbitmq::stop_port_mapper_in(&self.plan.servers)?;
        fs::remove_file(&mark).with_context(|| format!("cannot remove {}", mark.display()))?;
        Ok(services + servers)
    }

    fn stop_these(&self, names: &[Name], progress: &Progress, interrupt: &Interrupt) -> Result<usize> {
        let mut asked: Vec<(Name, Identity)> = Vec::new();
        for &name in names {
            if let State::Running(process) = self.state(name)?
                && process.signal(signal(name))?
            {
                // A frozen one hears nothing else.
                process.signal(Signal::CONT)?;
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

fn patience(name: Name) -> Duration {
    match name {
        Name::Rabbitmq(_) => Duration::from_secs(40),
        _ => Duration::from_secs(20),
    }
}
