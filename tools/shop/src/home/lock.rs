//! One command at a time changes what runs.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};

use super::Home;
use crate::terminal::{self, Interrupt};

/// Held while a command starts or stops something; given back when dropped, or when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for its turn, and says so if that is not at once. Creates the home if it is not there.
    ///
    /// Another command may be building the whole workspace: there is no sensible limit but the user's.
    pub fn take(home: &Home, interrupt: &Interrupt) -> Result<Self> {
        let mut has_said = false;
        loop {
            home.create()?;
            let path = home.dir().join("lock");
            let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
            match file.try_lock() {
                // The previous holder may have removed the home with the lock file in it. Then this lock protects nothing.
                Ok(()) if is_same(&file, &path) => return Ok(Self { _file: file }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if !has_said {
                        terminal::complain(
                            "  … waiting for another cargo shop that starts or stops things here",
                        );
                        has_said = true;
                    }
                    interrupt.check()?;
                    terminal::pause();
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }
}

fn is_same(file: &File, path: &std::path::Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}
