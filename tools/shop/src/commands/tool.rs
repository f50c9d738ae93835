//! Programs of others that only some commands need.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::home::checkout;
use crate::suite::cargo;
use crate::terminal;

/// A program that cargo can install.
pub(super) struct Tool {
    /// Of the crate and of the program.
    pub(super) name: &'static str,
    /// This one and no other: a run of today and one of next year do the same.
    pub(super) version: &'static str,
}

impl Tool {
    /// The program's file under `target/`, installed there at the first use.
    pub(super) fn find_or_install(&self) -> Result<PathBuf> {
        let Self { name, version } = self;
        let home = checkout().join(format!("target/tools/{name}-{version}"));
        let program = home.join("bin").join(name);
        if program.exists() {
            return Ok(program);
        }
        terminal::say(format!("  … installing {name} under target/, which takes some minutes"));
        let mut install = cargo(&checkout());
        install.args(["install", "--quiet", "--locked", "--version", version, name, "--root"]).arg(home);
        if !succeeds(&mut install)? {
            bail!("cannot install {name} {version} under target/");
        }
        Ok(program)
    }
}

/// Runs a program to its end, showing what it writes.
pub(super) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.stdin(Stdio::null()).status();
    Ok(status.with_context(|| format!("cannot run {}", command.get_program().display()))?.success())
}
