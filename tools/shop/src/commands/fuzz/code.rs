//! cargo-fuzz, which makes up inputs of functions and watches which code they reach.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::commands::tool::{Tool, succeeds};
use crate::home::checkout;
use crate::suite::from_outside;
use crate::terminal;

/// Builds and runs the targets.
const FUZZER: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

/// There is no `unsafe` code here for which a sanitizer of memory would be worth its time.
const BUILD: [&str; 2] = ["--sanitizer", "none"];

/// How long one input may take, in seconds, and what a target may have in memory, in MiB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

/// Fuzzes each target for this long, going on from the inputs of earlier runs; whether none of them failed.
pub(super) fn run(targets: &[String], minutes: u32) -> Result<bool> {
    let mut question = Command::new("rustup");
    question.args(["run", "nightly", "rustc", "--version"]).stderr(Stdio::null()).stdout(Stdio::null());
    if !question.status().is_ok_and(|status| status.success()) {
        bail!("fuzzing code needs a nightly toolchain: rustup toolchain install nightly");
    }
    let fuzzer = FUZZER.find_or_install()?;
    let fuzz = checkout().join("tests/fuzz");
    let mut is_well = true;
    for name in targets {
        terminal::say(format!("\n== {name}, for {minutes} min"));
        let found = fuzz.join("corpus").join(name);
        std::fs::create_dir_all(&found).context("cannot write under tests/fuzz/")?;
        let mut command = from_outside("rustup", &checkout());
        command.args(["run", "nightly"]).arg(&fuzzer).arg("run").args(BUILD).arg(name);
        command.arg(found).arg(fuzz.join("seeds").join(name)).arg("--").args(LIMITS);
        command.arg(format!("-max_total_time={}", u64::from(minutes) * 60));
        command.args(["-verbosity=0", "-print_funcs=0", "-print_final_stats=1"]);
        is_well &= succeeds(&mut command)?;
    }
    Ok(is_well)
}
