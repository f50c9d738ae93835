//! Which build of the services is started.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use shop::registry::{Name, Registry};

use super::{Environment, Options};
use crate::beside_this_program;

/// Programs by name.
pub type Programs = BTreeMap<String, PathBuf>;

/// A build of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The one that this program is of.
    This,
    /// That of the older release.
    Older,
}

impl Environment {
    /// What is started from now on, and the relay's tool, is of this build. What runs goes on.
    pub fn start_from(&mut self, build: Build) -> Result<()> {
        self.suite.plan.binaries = of(build, &self.options, self.registry())?;
        Ok(())
    }

    /// Brings every database up to date by the build that is started from.
    pub fn migrate(&self) -> Result<()> {
        tokio::task::block_in_place(|| self.suite.prepare(&self.interrupt))
    }

    /// Whether the process of a service is of the build that is started from.
    pub fn is_current(&self, service: Name) -> Result<bool> {
        let program = std::fs::read_link(format!("/proc/{}/exe", self.pid(service)?))
            .with_context(|| format!("{service} has no program"))?;
        Ok(program == self.suite.plan.binary(self.binary(service)?)?.canonicalize()?)
    }

    /// The name of the program that a service runs.
    pub fn binary(&self, service: Name) -> Result<&str> {
        let program = self.registry().program(service);
        Ok(&program.with_context(|| format!("{service} has no program"))?.binary)
    }
}

/// The programs of a build. One that the older release does not have yet is that of this build.
pub(super) fn of(build: Build, options: &Options, registry: &Registry) -> Result<Programs> {
    let older = options.older.as_ref().filter(|_| build == Build::Older);
    let program = |name: &str| match older.and_then(|programs| programs.get(name)) {
        Some(path) => Ok((name.to_owned(), path.clone())),
        None => Ok((name.to_owned(), beside_this_program(name)?)),
    };
    registry.binaries().into_iter().map(program).collect()
}
