//! What `up` decided, for the commands that come after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{Home, read_if_there, write_private};
use crate::registry::Counts;
use crate::terminal;

/// How many of each run, from which files everything runs, and where the servers have their data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How many relays there are, and of what else there can be several.
    #[serde(flatten)]
    pub counts: Counts,
    /// The services' programs by the name of their binary.
    pub binaries: BTreeMap<String, PathBuf>,
    /// The directory with the servers' data; outside the checkout if their users cannot get into that.
    pub servers: PathBuf,
    /// The directory of this file, when it was written.
    #[serde(default)]
    pub home: PathBuf,
}

impl Plan {
    /// Reads it; `None` if there has been no `up` since the last `reset`.
    pub fn load(home: &Home) -> Result<Option<Self>> {
        let remedy = "cargo shop down stops what runs; then remove it";
        let plan = read_if_there::<Self>(&path(home), remedy)?;
        plan.map(|plan| plan.unless_copied(home)).transpose()
    }

    /// Where the servers have their data, for a command that only stops or clears. A plan that cannot be read is as good as
    /// none, which is said: the data is then looked for in the home.
    pub fn servers(home: &Home) -> Result<PathBuf> {
        let consequence = "data that its servers have elsewhere, in /var/tmp/shop-*, is not found";
        let plan = read_if_there::<Self>(&path(home), consequence).unwrap_or_else(|error| {
            terminal::complain(format!("  ! {error:#}"));
            None
        });
        match plan {
            Some(plan) => Ok(plan.unless_copied(home)?.servers),
            None => Ok(home.dir().join("servers")),
        }
    }

    /// A checkout that was moved has taken it along; a copy knows the processes and the data of the other one.
    fn unless_copied(self, home: &Home) -> Result<Self> {
        let is_elsewhere = !self.home.as_os_str().is_empty() && self.home != home.dir();
        if is_elsewhere && path(&Home::at(&self.home)).is_file() {
            let (copy, other) = (home.dir().display(), self.home.display());
            bail!("{copy} is a copy of {other}, and would stop and clear what is that one's: remove it");
        }
        Ok(self)
    }

    /// Writes it down.
    pub fn save(&self, home: &Home) -> Result<()> {
        write_private(&path(home), &serde_json::to_vec_pretty(self)?)
    }

    /// The program of a service.
    pub fn binary(&self, name: &str) -> Result<&Path> {
        match self.binaries.get(name) {
            Some(path) if path.is_file() => Ok(path),
            Some(path) => {
                bail!("{} is gone: cargo shop down, then cargo shop up builds it again", path.display())
            }
            None => bail!("the program {name} was never built: cargo shop up builds it"),
        }
    }
}

fn path(home: &Home) -> PathBuf {
    home.dir().join("suite.json")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::home::create_dir;

    #[test]
    fn a_copy_of_a_shop_is_refused_and_a_shop_that_was_moved_is_not() {
        let place = tempfile::tempdir().unwrap();
        let [home, other] = ["home", "other"].map(|name| Home::at(&place.path().join(name)));
        for home in [&home, &other] {
            create_dir(home.dir(), 0o700).unwrap();
        }
        let plan = Plan { home: home.dir().to_owned(), ..Plan::default() };
        plan.save(&home).unwrap();
        plan.save(&other).unwrap();
        assert_eq!(Plan::load(&home).unwrap(), Some(plan.clone()));
        assert!(Plan::load(&other).unwrap_err().to_string().contains("is a copy of"));
        fs::remove_file(path(&home)).unwrap();
        assert_eq!(Plan::load(&other).unwrap(), Some(plan));
    }
}
