//! Starting a process so that it outlives this one and Ctrl-C does not reach it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::Identity;

/// A log that has grown beyond this many bytes is put aside when its process starts again.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;

/// What a user may have set for PostgreSQL servers of their own: it must not lead elsewhere than to ours.
const FOREIGN: [&str; 9] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGTARGETSESSIONATTRS",
];

/// Has a command take nothing from the user's settings for PostgreSQL.
pub fn without_foreign_settings(command: &mut Command) -> &mut Command {
    FOREIGN.into_iter().fold(command, Command::env_remove)
}

/// What the line begins with that separates a process's words from those of its predecessors.
pub(super) const START_MARK: &str = "--- cargo shop starts ";

/// The user a server runs as when `cargo shop` itself runs as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric id of that user's group.
    pub gid: u32,
}

/// A process about to be started.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    program: PathBuf,
    log: PathBuf,
}

impl Launch {
    /// Prepares `program`, whose output goes to the end of the file `log`.
    ///
    /// It gets a process group of its own: Ctrl-C in the terminal reaches `cargo shop` alone, which
    /// then stops things in their order.
    pub fn new(program: &Path, log: &Path) -> Self {
        let mut command = Command::new(program);
        command.process_group(0);
        Self::of(command, log)
    }

    /// Prepares a command in the process group of this process, so that it ends with a test that is ended.
    pub fn of(mut command: Command, log: &Path) -> Self {
        without_foreign_settings(&mut command).stdin(Stdio::null());
        let program = PathBuf::from(command.get_program());
        Self { command, program, log: log.to_owned() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets environment variables, above those inherited.
    #[must_use]
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs it as another user, without that user's further groups.
    #[must_use]
    pub fn run_as(mut self, user: Option<RunAs>) -> Self {
        if let Some(user) = user {
            self.command.uid(user.uid).gid(user.gid);
        }
        self
    }

    /// Starts it, and takes down who it is.
    pub fn start(mut self) -> Result<(Child, Identity)> {
        let mut log = open_log(&self.log)?;
        let name = self.program.file_name().unwrap_or_default().display();
        writeln!(log, "{START_MARK}{name}")
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        self.command.stdout(log.try_clone().context("cannot share the log file")?).stderr(log);
        let child =
            self.command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let identity = Identity::of_child(&child)?;
        Ok((child, identity))
    }
}

fn open_log(path: &Path) -> Result<File> {
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG_LIMIT) {
        fs::rename(path, path.with_extension("log.1"))
            .with_context(|| format!("cannot put {} aside", path.display()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open the log {}", path.display()))
}
