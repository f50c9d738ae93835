//! Installing Debian's packages where a server is missing.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::terminal::Progress;

const SCRIPT: &str = include_str!("install.sh");

/// How many of apt's lines are shown if it fails.
const LAST_LINES: usize = 20;

/// Installs packages as root or by password-less sudo; where neither is possible, fails with the command to run.
///
/// The servers that the packages bring are not started. Ctrl-C does not reach apt: a package manager
/// cut off half-way leaves work behind.
pub(super) fn install(packages: &[&str], progress: &Progress) -> Result<()> {
    let names = packages.join(" ");
    let command = format!("apt-get update && apt-get install --yes --no-install-recommends {names}");
    if !Path::new("/usr/bin/apt-get").is_file() {
        bail!(
            "missing on this machine: {names} (the names of Debian's packages); install what provides them"
        );
    }
    let as_root: &[&str] = if rustix::process::geteuid().is_root() {
        &["sh"]
    } else if may_sudo() {
        &["sudo", "-n", "sh"]
    } else {
        bail!("missing on this machine: {names}; install with\n\n    sudo sh -c '{command}'\n");
    };

    progress.during(
        &format!("installing {names}"),
        |busy_with| run(as_root, packages, busy_with),
        |()| format!("installed {names}; the servers Debian would start were left alone"),
    )
}

fn run(as_root: &[&str], packages: &[&str], busy_with: &dyn Fn(&str)) -> Result<()> {
    let (program, rest) = as_root.split_first().context("nothing to run")?;
    let mut child = Command::new(program)
        .args(rest)
        .args(["-c", &format!("exec 2>&1\n{SCRIPT}"), "install"])
        .args(packages)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;

    let mut last = Vec::new();
    let output = child.stdout.take().context("apt-get has no output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("cannot read apt-get's output")?).trim().to_owned();
        busy_with(&line);
        last.push(line);
        if last.len() > LAST_LINES {
            last.remove(0);
        }
    }
    let status = child.wait().context("cannot wait for apt-get")?;
    if !status.success() {
        bail!("apt-get failed ({status}):\n{}", last.join("\n"));
    }
    Ok(())
}

fn may_sudo() -> bool {
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success())
}
