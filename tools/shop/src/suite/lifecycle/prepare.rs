//! What comes between the servers' start and the services': migrations and first data.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::home::checkout;
use crate::process::{Launch, Running, end, last_words, wait_until};
use crate::registry::{Name, Service};
use crate::suite::Suite;
use crate::terminal::Interrupt;

/// How long a migration or the seed may take.
const PATIENCE: Duration = Duration::from_mins(5);

impl Suite {
    /// Migrates and seeds every service's database.
    pub fn prepare(&self, interrupt: &Interrupt) -> Result<()> {
        for service in &self.registry.services {
            self.migrate(service, interrupt)?;
            if service.seeds {
                self.seed(service, interrupt)?;
            }
        }
        Ok(())
    }

    /// Brings a service's tables up to date, as their owner.
    pub fn migrate(&self, service: &Service, interrupt: &Interrupt) -> Result<()> {
        self.run_step(service, "migrate", interrupt)
            .context("if its data is that of other code: cargo shop reset begins with an empty shop")
    }

    /// Fills a service's empty tables, as their owner; tables that have rows already stay as they are.
    pub fn seed(&self, service: &Service, interrupt: &Interrupt) -> Result<()> {
        self.run_step(service, "seed", interrupt)
    }

    /// Runs a service's program with a subcommand, to its end. What it writes goes to the service's log.
    fn run_step(&self, service: &Service, step: &str, interrupt: &Interrupt) -> Result<()> {
        let (name, binary) = (Name::Service(service.name), &service.program.binary);
        let log = self.home.log(name);
        let launch = Launch::new(self.plan.binary(binary)?, &log)
            .args([step])
            .envs(self.owner_configuration(service)?)
            .directory(&checkout());
        let mut running = Running::start(name, launch, &log)?;
        let status = wait_until(&format!("{binary} {step}"), PATIENCE, interrupt, || running.ended());
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("{binary} {step} failed ({status}):\n{}", last_words(&log)),
            Err(error) => {
                end(&running.process, rustix::process::Signal::TERM, Duration::from_secs(5), interrupt)?;
                Err(error)
            }
        }
    }
}
