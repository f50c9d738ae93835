//! A disk that is small enough to be filled.

use std::{
    cell::Cell,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

/// What it has room for beside the tables.
const SPARE: i64 = 64 * 1024 * 1024;

/// A file system in memory. Unmounted when dropped.
pub(super) struct SmallDisk {
    mounted: PathBuf,
    was_full: Cell<bool>,
}

impl SmallDisk {
    /// Mounts one for the PostgreSQL of this place, with room for tables of so many bytes and little else;
    /// `None` where this process may not.
    pub(super) fn mount(place: &Path, tables: i64) -> Result<Option<Self>> {
        // Outside the environment's directory, which may be removed after a crash while this is still mounted.
        let mounted = std::env::temp_dir().join(format!("shop-chaos-disk-{}", std::process::id()));
        fs::create_dir_all(&mounted).context("cannot make a place for a small disk")?;
        let mut mount = Command::new("mount");
        let options = format!("size={},mode=0777", tables + SPARE);
        mount.args(["-t", "tmpfs", "-o", &options, "chaos"]).arg(&mounted);
        if !mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let disk = Self { mounted, was_full: Cell::new(false) };
        let tablespace = disk.path();
        fs::create_dir(&tablespace).context("cannot use the small disk")?;
        // PostgreSQL wants to own it.
        let owner = place.join("postgres");
        let given = Command::new("chown").arg("--reference").arg(owner).arg(&tablespace).status();
        anyhow::ensure!(
            given.is_ok_and(|status| status.success()),
            "cannot give the small disk to PostgreSQL"
        );
        Ok(Some(disk))
    }

    /// Where a tablespace can be.
    pub(super) fn path(&self) -> PathBuf {
        self.mounted.join("tablespace")
    }

    /// Leaves no byte free.
    pub(super) fn fill(&self) -> Result<()> {
        let mut ballast = File::create(self.ballast()).context("cannot fill the small disk")?;
        let zeros = vec![0; 64 * 1024];
        while ballast.write_all(&zeros).is_ok() {}
        self.was_full.set(true);
        Ok(())
    }

    /// Makes room again.
    pub(super) fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("cannot empty the small disk")
    }

    /// Whether it has been full.
    pub(super) fn was_full(&self) -> bool {
        self.was_full.get()
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a session may still have a file of it open.
        drop(Command::new("umount").arg("--lazy").arg(&self.mounted).status());
        drop(fs::remove_dir(&self.mounted));
    }
}
