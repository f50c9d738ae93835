//! `cargo shop supply-chain`.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use super::tool::{Tool, succeeds};
use crate::cli::SupplyChainArgs;
use crate::home::checkout;
use crate::suite::cargo;
use crate::terminal;

/// Checks licences and sources.
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Writes the bill of materials.
const CYCLONEDX: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };

/// Checks where the code of others comes from, and lists it. The exit code is 1 when a check failed.
pub(super) fn run(args: &SupplyChainArgs) -> Result<ExitCode> {
    let root = checkout();
    let dir = root.join("target/supply-chain");
    std::fs::create_dir_all(&dir).context("cannot write under target/")?;
    let (deny, cyclonedx) = (DENY.find_or_install()?, CYCLONEDX.find_or_install()?);
    let mut missing = "";
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&deny);
        command.current_dir(&root).args(["--log-level", "error"]).args(arguments);
        succeeds(&mut command)
    };
    terminal::say("== licences, bans and sources");
    let mut is_well = deny(&["check", "licenses", "bans", "sources"])?;
    terminal::say("== advisories");
    if deny(&["fetch", "db"])? {
        is_well &= deny(&["check", "--disable-fetch", "advisories"])?;
    } else {
        missing = ", except advisories: their database cannot be fetched from here";
    }
    terminal::say("== bill of materials");
    is_well &= bill(&cyclonedx, &root, &dir)?;
    if args.build {
        terminal::say("== a build without a network");
        is_well &= build(&root, &dir)?;
    }
    terminal::say(format!("== {}{missing}", if is_well { "all checks passed" } else { "a check failed" }));
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes what each crate is made of, as `CycloneDX`; what is known of it comes from the lock file.
fn bill(cyclonedx: &Path, root: &Path, dir: &Path) -> Result<bool> {
    let mut tool = Command::new(cyclonedx);
    tool.args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5"]).current_dir(root);
    let is_done = succeeds(tool.env("CARGO_NET_OFFLINE", "true"))?;
    // It writes them among the sources, also where it fails half-way.
    for entry in std::fs::read_dir(root).context("cannot read the checkout")? {
        let folder = entry.context("cannot read the checkout")?;
        let name = format!("{}.cdx.json", folder.file_name().display());
        let written = folder.path().join(&name);
        if written.exists() {
            std::fs::rename(written, dir.join(&name)).context("cannot write under target/")?;
        }
    }
    if is_done {
        terminal::say(format!("one file a crate: {}/*.cdx.json", dir.display()));
    }
    Ok(is_done)
}

/// Builds everything anew where there is no network: what succeeds has fetched nothing while it was built.
fn build(root: &Path, dir: &Path) -> Result<bool> {
    if !succeeds(cargo(root).args(["fetch", "--locked"]))? {
        bail!("cannot fetch the dependencies");
    }
    let target = dir.join("build");
    if target.exists() {
        std::fs::remove_dir_all(&target).context("cannot clear target/supply-chain/build")?;
    }
    let cargo = cargo(root);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net"]).arg(cargo.get_program());
    command.args(["build", "--workspace", "--locked", "--offline", "--target-dir"]).arg(target);
    succeeds(command.current_dir(root))
}
