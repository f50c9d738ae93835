//! The servers of runs that are over.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::home::Home;
use crate::process::{Identity, Record, kill};
use crate::servers::{Place, Rabbitmq};

/// What the directory of a run is called, before its random end.
pub(super) const PREFIX: &str = "shop-test-";

/// The record of the process that a directory belongs to.
const OWNER: &str = "owner";

/// Writes down that this process is the one that needs this directory.
pub(super) fn own(home: &Home) -> Result<()> {
    let me = Identity::of(std::process::id()).context("cannot read /proc: cargo shop needs it")?;
    Record { process: me }.write(home.dir(), OWNER)
}

/// Ends the servers of runs that were themselves killed, and removes their directories.
pub(super) fn clear() -> Result<()> {
    for dir in [std::env::temp_dir(), PathBuf::from("/var/tmp")] {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let is_named_so = entry.file_name().to_string_lossy().starts_with(PREFIX);
            if is_named_so && is_abandoned(&entry.path()) {
                remove(&Home::at(&entry.path()))?;
            }
        }
    }
    Ok(())
}

/// Ends the processes that a directory has records of without ceremony (nothing in them is worth keeping), and removes it.
pub(super) fn remove(home: &Home) -> Result<()> {
    for name in Record::names(&home.run()) {
        if let Some(record) = Record::read(&home.run(), &name)? {
            kill(&record.process)?;
        }
    }
    let servers = home.dir().join("servers");
    Rabbitmq::stop_port_mapper_in(&servers)?;
    Place::clear(home.dir())
}

/// Whether it is ours and its owner has ended. A directory without an owner is being created.
fn is_abandoned(dir: &Path) -> bool {
    let is_ours = fs::symlink_metadata(dir)
        .is_ok_and(|dir| dir.is_dir() && dir.uid() == rustix::process::geteuid().as_raw());
    is_ours && matches!(Record::read(dir, OWNER), Ok(Some(owner)) if !owner.process.is_alive())
}
