//! What runs: its processes, their configuration, how they are started, watched and stopped.

mod build;
mod configuration;
mod lifecycle;
mod pending;
mod state;
mod summary;

pub use build::{build, build_with, cargo, from_outside};
pub use configuration::{DEVELOPMENT_LINKS, Variables};
pub use lifecycle::{Stopped, stop_recorded};
pub use state::State;
pub use summary::addresses;

use anyhow::{Result, bail};

use crate::home::{Home, Plan, Ports, Secrets};
use crate::registry::{Name, Registry};

/// The suite of one checkout: what `up` has assigned to it.
pub struct Suite {
    /// Where its files are.
    pub home: Home,
    /// Its services.
    pub registry: Registry,
    /// What runs, from which files.
    pub plan: Plan,
    /// Where it listens.
    pub ports: Ports,
    /// Its passwords.
    pub secrets: Secrets,
}

impl Suite {
    /// The suite of this checkout; fails if there has been no `up` yet.
    pub fn open() -> Result<Self> {
        let home = Home::of_checkout();
        match Self::of_home(&home)? {
            Some(suite) => Ok(suite),
            None => bail!("the suite is not up here: start it with cargo shop up"),
        }
    }

    /// The suite of this home; `None` if there has been no `up` since the last `reset`.
    pub fn of_home(home: &Home) -> Result<Option<Self>> {
        let Some(plan) = Plan::load(home)? else { return Ok(None) };
        let registry = Registry::of_checkout()?;
        let ports = Ports::load(home)?;
        let secrets = Secrets::load_or_create(home, &registry)?;
        Ok(Some(Self { home: home.clone(), registry, plan, ports, secrets }))
    }

    /// All its processes, in the order they are started in.
    pub fn names(&self) -> Vec<Name> {
        self.registry.processes(self.plan.counts)
    }
}
