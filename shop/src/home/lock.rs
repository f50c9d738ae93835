//! One command at a time changes what runs.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Home;
use crate::terminal::{self, Interrupt};

/// Held while a command starts or stops something; given back when dropped, or when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for its turn, up to `patience`.
    pub fn take(home: &Home, patience: Duration, interrupt: &Interrupt) -> Result<Self> {
        let path = home.dir().join("lock");
        // The file is inherited by nobody: files are opened close-on-exec.
        let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    interrupt.check()?;
                    terminal::pause();
                }
                Err(TryLockError::WouldBlock) => {
                    bail!("another `cargo shop` is starting or stopping things in {}", home.dir().display())
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }
}
