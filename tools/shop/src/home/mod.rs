//! What a checkout keeps under `.shop/`.

mod env_file;
mod lock;
mod ports;
mod secrets;
mod settled;

pub use env_file::EnvFile;
pub use lock::Lock;
pub use ports::{Ports, Service};
pub use secrets::{Secrets, random, random_bytes};
pub use settled::Settled;

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::suite::Name;

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

    /// Where each process has its log.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// Where each process has its record.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// The log of one process.
    pub fn log(&self, name: Name) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// A file that is there while somebody stops the suite, so that nobody mistakes that for a crash.
    pub fn stopping_mark(&self) -> PathBuf {
        self.dir.join("stopping")
    }
}

/// The root of the checkout: the nearest directory above the present one that has the suite's files,
/// or else the one this tool was built in.
pub fn checkout() -> PathBuf {
    let present = std::env::current_dir().unwrap_or_default();
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"));
    present.ancestors().find(|dir| dir.join(PROVISION_SQL).is_file()).unwrap_or(built_in).to_owned()
}

/// The script that creates databases and roles, relative to the checkout.
pub const PROVISION_SQL: &str = "deploy/postgres/provision.sql";

/// The broker's users and their rights, relative to the checkout.
pub const BROKER_DEFINITIONS: &str = "deploy/rabbitmq/definitions.json";

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
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(content)?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
