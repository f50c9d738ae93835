//! What a checkout keeps under `.shop/`.

mod env_file;
mod lock;
mod plan;
mod ports;
mod secrets;

pub use crate::checkout::checkout;
pub use env_file::EnvFile;
pub use lock::Lock;
pub use plan::Plan;
pub use ports::{Port, Ports, is_free};
pub use secrets::{Secrets, random, random_bytes};

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::registry::Name;

/// The directory that one running suite, or one test run, keeps its things in.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// `.shop/` of the checkout that this is called in.
    pub fn of_checkout() -> Self {
        Self { dir: checkout().join(".shop") }
    }

    /// Any other directory, which need not exist yet.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Creates what is missing of it.
    pub fn create(&self) -> Result<()> {
        // Others may pass through, because servers can run as another user, but not look around.
        for dir in [self.dir.clone(), self.logs(), self.run()] {
            create_dir(&dir, 0o711)?;
        }
        Ok(())
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the logs.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The directory of the records of processes.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// The log of one process.
    pub fn log(&self, name: Name) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// A file that exists while a command stops the suite, so that the others do not report a crash.
    pub fn stopping_mark(&self) -> PathBuf {
        self.dir.join("stopping")
    }
}

/// Creates a directory with exactly these permissions, whatever the umask; one that exists gets them too.
pub fn create_dir(dir: &Path, mode: u32) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(mode)))
        .with_context(|| format!("cannot create {}", dir.display()))
}

/// Writes a file that only its owner can read; the old content or the new is there, never half of it.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file of JSON; `None` if there is none. `remedy` says what to do about a damaged one.
pub fn read_if_there<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{} is damaged: {remedy}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Removes what is at `path`, if anything is, by `fs::remove_file` or `fs::remove_dir_all`.
pub fn remove_if_there<'a>(path: &'a Path, remove: fn(&'a Path) -> io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
