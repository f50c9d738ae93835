//! The directory that the servers keep their data in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::user::is_open_to_all;
use crate::home::{Home, create_dir, random, remove_if_there};

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
    /// The directory of a checkout's servers: in its home, or else a new directory under /var/tmp.
    ///
    /// It is elsewhere if the servers run as users who cannot get to the home (root has the checkout in a
    /// directory of its own, such as /root), and if the home's path has characters that the servers' start
    /// scripts might take apart. `known` is the one that was chosen before.
    pub fn choose(home: &Home, known: Option<&Path>) -> Result<PathBuf> {
        if let Some(known) = known.filter(|dir| dir.is_dir()) {
            return Ok(known.to_owned());
        }
        let inside = home.dir().join("servers");
        let is_reachable = !rustix::process::geteuid().is_root() || is_open_to_all(home.dir());
        let dir = if is_reachable && is_plain(&inside) {
            inside
        } else {
            PathBuf::from(format!("/var/tmp/shop-{}", &random()?[..12]))
        };
        create_dir(&dir, 0o711)?;
        Ok(dir)
    }

    /// Removes it with everything in it.
    pub fn clear(dir: &Path) -> Result<()> {
        remove_if_there(dir, fs::remove_dir_all)
    }
}

/// Whether a shell would leave this path in one piece.
fn is_plain(path: &Path) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    path.to_str().is_some_and(|path| path.chars().all(harmless))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_script_would_take_apart_is_not_for_servers() {
        assert!(is_plain(Path::new("/home/bob/shop-2/.shop/servers")));
        for path in ["/home/bob/my shop", "/home/bob/$HOME", "/home/bob/\"shop\"", "/home/bob/läden"] {
            assert!(!is_plain(Path::new(path)), "{path}");
        }
    }
}
