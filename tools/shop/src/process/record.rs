//! What `.shop/run/` says about a process that should be running.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::home::{read_if_there, remove_if_there, write_private};

/// A process that was started and should run until the suite is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who it is.
    pub process: Identity,
}

impl Record {
    /// Writes `<name>.pid` (the number alone, for people and scripts) and `<name>.json` (what it is known by).
    pub fn write(&self, run: &Path, name: &str) -> Result<()> {
        write_private(&json(run, name), &serde_json::to_vec(self)?)?;
        write_private(&pid(run, name), format!("{}\n", self.process.pid).as_bytes())
    }

    /// Reads what is recorded under `name`; `None` if nothing is.
    pub fn read(run: &Path, name: &str) -> Result<Option<Self>> {
        let remedy = "end its process, whose number is in the .pid file beside it, and remove both";
        read_if_there(&json(run, name), remedy)
    }

    /// The number that is written down under `name`, which may be another process's by now; `None` if none is.
    pub fn number(run: &Path, name: &str) -> Option<u32> {
        fs::read_to_string(pid(run, name)).ok()?.trim().parse().ok()
    }

    /// Under which names something is recorded, be it a number alone.
    pub fn names(run: &Path) -> Vec<String> {
        let files = fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_of_record = |path: &PathBuf| path.extension().is_some_and(|it| it == "json" || it == "pid");
        let records = files.filter(is_of_record);
        let names = records.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Forgets what is recorded under `name`, if anything is.
    pub fn remove(run: &Path, name: &str) -> Result<()> {
        remove_if_there(&json(run, name), fs::remove_file)?;
        remove_if_there(&pid(run, name), fs::remove_file)
    }
}

fn json(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{name}.json"))
}

fn pid(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{name}.pid"))
}
