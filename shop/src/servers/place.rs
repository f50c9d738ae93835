//! The directory that the servers keep their data in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::user::is_open_to_all;
use crate::home::{Home, create_dir, random};

/// What the servers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To keep what they are given, also when the machine loses power.
    Keep,
    /// To be thrown away: fast instead of safe.
    Test,
}

/// A directory for the servers' data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub dir: PathBuf,
    /// What for.
    pub purpose: Purpose,
}

impl Place {
    /// The place of a checkout's servers: in its home, unless the servers run as users who cannot get there.
    ///
    /// That is so if root has the checkout in a directory of its own, such as /root: then it is a new
    /// directory under /var/tmp. `known` is the place that was chosen before.
    pub fn settle(home: &Home, known: Option<&Path>, purpose: Purpose) -> Result<Self> {
        if let Some(known) = known.filter(|dir| dir.is_dir()) {
            return Ok(Self { dir: known.to_owned(), purpose });
        }
        let inside = home.dir().join("servers");
        let is_reachable = !rustix::process::geteuid().is_root() || is_open_to_all(home.dir());
        let dir =
            if is_reachable { inside } else { PathBuf::from(format!("/var/tmp/shop-{}", &random()?[..12])) };
        create_dir(&dir, 0o711)?;
        Ok(Self { dir, purpose })
    }

    /// Removes it with everything in it.
    pub fn clear(dir: &Path) -> Result<()> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", dir.display()))
            }
            _ => Ok(()),
        }
    }
}
