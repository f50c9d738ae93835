//! What `up` decided, for the commands that come after it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Home, write_private};
use crate::registry::Counts;

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
}

impl Plan {
    /// Reads it; `None` if there has been no `up` since the last `reset`.
    pub fn load(home: &Home) -> Result<Option<Self>> {
        let path = path(home);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is damaged: remove it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
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
