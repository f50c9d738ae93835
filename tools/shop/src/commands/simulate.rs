//! `cargo shop simulate`.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::SimulateArgs;
use crate::home::checkout;
use crate::suite::cargo;

/// Builds the simulation, optimised, and runs it. Needs no server.
pub(super) fn run(args: &SimulateArgs) -> Result<ExitCode> {
    let mut command = cargo(&checkout());
    command.args(["run", "--quiet", "--release", "--package", "relay-engine", "--bin", "simulate", "--"]);
    let status = command.args(&args.options).status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
