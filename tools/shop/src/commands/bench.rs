//! `cargo shop bench`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::home::checkout;
use crate::suite::build_with;
use crate::terminal::{Interrupt, Progress};

/// Builds everything optimised, and becomes the program that measures it.
pub(super) fn run(options: &[String]) -> Result<ExitCode> {
    let progress = Progress::new();
    progress.say("  … building the services optimised");
    let interrupt = Interrupt::install()?;
    let programs = progress.hold(|| build_with(&checkout(), &["bench"], &["--release"], &interrupt))?;
    let program = programs.get("bench").context("cargo build made no program bench")?;
    // Its answer is this command's, and so is its Ctrl-C.
    Err(Command::new(program).args(options).current_dir(checkout()).exec()).context("cannot run bench")
}
