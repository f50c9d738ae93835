//! A process that this one has started.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use anyhow::{Context, Result, bail};

use super::launch::START_MARK;
use super::{Identity, Launch, Record, kill};
use crate::home::Home;
use crate::registry::Name;
use crate::terminal::tail;

/// How many lines of its log are shown when a process has ended unasked.
const LAST_WORDS: usize = 12;

/// A child of ours: dropping it neither ends it nor waits for it.
#[derive(Debug)]
pub struct Running {
    /// Which one it is.
    pub name: Name,
    /// How to know it again.
    pub process: Identity,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it.
    pub fn start(name: Name, launch: Launch, log: &Path) -> Result<Self> {
        let (child, process) = launch.start()?;
        Ok(Self { name, process, child, log: log.to_owned() })
    }

    /// Takes it down as a process that should run from now on.
    pub fn record(&self, home: &Home) -> Result<()> {
        Record { process: self.process.clone() }.write(&home.run(), &self.name.to_string())
    }

    /// Waits until it is of use; kills it if that fails.
    pub fn or_killed(mut self, await_it: impl FnOnce(&mut Self) -> Result<()>) -> Result<Self> {
        if let Err(error) = await_it(&mut self) {
            kill(&self.process)?;
            return Err(error);
        }
        Ok(self)
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask after a child")
    }

    /// Fails, with the last lines of its log, if it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        let Some(status) = self.ended()? else { return Ok(()) };
        bail!(
            "{} ended ({status}); the end of {}:\n{}",
            self.name,
            self.log.display(),
            last_words(&self.log)
        );
    }
}

/// The last lines that the latest process of a log has written, indented.
pub fn last_words(log: &Path) -> String {
    let mut lines = tail(log, LAST_WORDS).unwrap_or_default();
    if let Some(start) = lines.iter().rposition(|line| line.starts_with(START_MARK)) {
        lines.drain(..=start);
    }
    if lines.is_empty() {
        return "    (nothing)".to_owned();
    }
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
