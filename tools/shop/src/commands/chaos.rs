//! `cargo shop chaos`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::home::checkout;
use crate::suite::build_with;
use crate::terminal::{Interrupt, Progress};

/// Builds the services with their crash points, and becomes the program that breaks them.
pub(super) fn run(args: &[OsString]) -> Result<ExitCode> {
    let progress = Progress::new();
    progress.say("  … building the services so that they can be killed anywhere");
    let interrupt = Interrupt::install()?;
    let options = ["--features", "crash-points"];
    let programs = progress.hold(|| build_with(&checkout(), &["chaos"], &options, &interrupt))?;
    let program = programs.get("chaos").context("cargo build made no program chaos")?;
    // Its answer is this command's, and so is its Ctrl-C.
    Err(Command::new(program).args(args).current_dir(checkout()).exec()).context("cannot run chaos")
}
