//! `cargo shop pictures`.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::home::{EnvFile, checkout};
use crate::servers::install_browser;
use crate::suite::Suite;
use crate::terminal::{Interrupt, Progress};

/// The script that takes them, relative to the checkout.
const SCRIPT: &str = "tests/suite/browser/pictures.mjs";

/// Takes the README's pictures of the suite that is up, in a real browser.
pub(super) fn run() -> Result<ExitCode> {
    let suite = Suite::open()?;
    if !suite.is_up()? {
        bail!("the suite is not up: start it with cargo shop up --detach");
    }
    install_browser(&Progress::new(), &Interrupt::install()?)?;
    let status = Command::new("node")
        .arg(checkout().join(SCRIPT))
        .current_dir(checkout())
        .envs(EnvFile::load(&suite.home)?)
        .stdin(Stdio::null())
        .status()
        .context("cannot run node")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
