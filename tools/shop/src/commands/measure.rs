//! `cargo shop bench` and `cargo shop chaos`: programs of their own, which run the services that were built with them.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::home::checkout;
use crate::suite::build_with;
use crate::terminal::{Interrupt, Progress};

/// Builds everything optimised, and becomes the program that measures it.
pub(super) fn bench(options: &[String]) -> Result<ExitCode> {
    become_program("bench", &["--release"], "optimised", options)
}

/// Builds the services with their crash points, and becomes the program that breaks them.
pub(super) fn chaos(args: &[OsString]) -> Result<ExitCode> {
    become_program("chaos", &["--features", "crash-points"], "so that they can be killed anywhere", args)
}

fn become_program(name: &str, build: &[&str], how: &str, args: &[impl AsRef<OsStr>]) -> Result<ExitCode> {
    let progress = Progress::new();
    progress.say(format!("  … building the services {how}"));
    let interrupt = Interrupt::install()?;
    let programs = progress.hold(|| build_with(&checkout(), &[name], build, &interrupt))?;
    let program = programs.get(name).with_context(|| format!("cargo build made no program {name}"))?;
    // Its answer is this command's, and so is its Ctrl-C.
    let error = Command::new(program).args(args).current_dir(checkout()).exec();
    Err(error).with_context(|| format!("cannot run {name}"))
}
