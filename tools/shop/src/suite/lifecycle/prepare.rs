//! What comes between the servers' start and the services': migrations and the catalog's first products.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::home::checkout;
use crate::process::{Launch, Running, end, last_words, wait_until};
use crate::suite::configuration::Variables;
use crate::suite::{Name, Suite};
use crate::terminal::Interrupt;

/// How long a migration or the seed may take.
const PATIENCE: Duration = Duration::from_mins(5);

impl Suite {
    /// Brings a service's tables up to date, as their owner.
    pub fn migrate(&self, name: Name, interrupt: &Interrupt) -> Result<()> {
        self.run_step(name, "migrate", self.owner_configuration(name)?, interrupt)
            .context("if its data is that of other code: cargo shop reset begins with an empty shop")
    }

    /// Fills an empty catalog, as its owner; a catalog that has products already stays as it is.
    pub fn seed(&self, interrupt: &Interrupt) -> Result<()> {
        self.run_step(Name::Catalog, "seed", self.owner_configuration(Name::Catalog)?, interrupt)
    }

    /// Runs a service's program with a subcommand, to its end. What it writes goes to the service's log.
    fn run_step(&self, name: Name, step: &str, variables: Variables, interrupt: &Interrupt) -> Result<()> {
        let binary = name.binary().unwrap_or_default();
        let log = self.home.log(name);
        let launch = Launch::new(self.settled.binary(binary)?, &log)
            .args([step])
            .envs(variables)
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
