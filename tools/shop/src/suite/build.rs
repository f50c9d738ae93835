//! Building the services.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::registry::Registry;
use crate::terminal::{self, Interrupt};

/// A line of `cargo build --message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Runs cargo in the checkout, showing its own progress, and returns the programs by name.
///
/// Stops cargo when the user asks to, or what it is for is abandoned.
pub fn build(checkout: &Path, release: bool, interrupt: &Interrupt) -> Result<BTreeMap<String, PathBuf>> {
    let options: &[&str] = if release { &["--release"] } else { &[] };
    build_with(checkout, &[], options, interrupt)
}

/// The same, with programs beside the registry's and with further options of cargo's.
pub fn build_with(
    checkout: &Path,
    further: &[&str],
    options: &[&str],
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, PathBuf>> {
    let registry = Registry::of(checkout)?;
    let wanted = || registry.binaries().into_iter().chain(further.iter().copied());
    let mut command = cargo(checkout);
    // --workspace, so that features are those of every other build and nothing is compiled twice.
    command.args(["build", "--workspace", "--message-format=json-render-diagnostics"]);
    command.args(wanted().flat_map(|name| ["--bin", name])).args(options);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo")?;

    let output = child.stdout.take().context("cargo has no output")?;
    let reader = std::thread::spawn(move || executables(BufReader::new(output)));
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for cargo")? {
            break status;
        }
        if interrupt.check().is_err() {
            child.kill().context("cannot stop cargo")?;
        }
        terminal::pause();
    };
    let binaries = reader.join().unwrap_or_default();
    interrupt.check()?;
    if !status.success() {
        bail!("cargo build failed ({status})");
    }
    if let Some(missing) = wanted().find(|name| !binaries.contains_key(*name)) {
        bail!("cargo build made no program {missing}");
    }
    Ok(binaries)
}

/// Cargo, as it would be called from outside in the checkout.
pub fn cargo(checkout: &Path) -> Command {
    from_outside(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), checkout)
}

/// A program that calls cargo, without what the cargo that runs this tool has told it about this tool.
pub fn from_outside(program: impl AsRef<OsStr>, checkout: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(checkout);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_about_us = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if is_about_us.iter().any(|prefix| text.starts_with(prefix)) || text == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(&name);
        }
    }
    command
}

fn executables(output: impl BufRead) -> BTreeMap<String, PathBuf> {
    let messages = output.lines().map_while(Result::ok);
    let messages = messages.filter_map(|line| serde_json::from_str::<Message>(&line).ok());
    messages.filter_map(|message| Some((message.target?.name, message.executable?))).collect()
}
