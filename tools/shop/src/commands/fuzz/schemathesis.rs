//! Schemathesis, which makes requests of an OpenAPI document.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::home::checkout;
use crate::terminal::Progress;
use crate::token::{Lifetime, issue};

/// Every package with its version: a run of today and one of next year ask the same.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Whose cart the requests are about, so that they get beyond "there is no such cart".
const SETTINGS: &str = "[parameters]\n\"path.buyerId\" = \"alice\"\n";

/// That what fits the schema is accepted cannot be promised: there are rules between two fields, and things
/// that have changed meanwhile.
const NOT_PROMISED: &str = "positive_data_acceptance";

/// How long one answer may take, in seconds. The event stream, which never ends, is left out.
const PATIENCE: &str = "10";

/// An installed one.
pub(super) struct Schemathesis {
    dir: PathBuf,
}

impl Schemathesis {
    /// The one under `target/`, installed there with pip at the first use.
    pub(super) fn find_or_install(progress: &Progress) -> Result<Self> {
        let tool = Self { dir: checkout().join("target/schemathesis") };
        let (installed, settings) = (tool.dir.join("requirements.txt"), tool.dir.join("schemathesis.toml"));
        if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
            return Ok(tool);
        }
        progress.say("  … installing schemathesis under target/");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&tool.dir))
            .context("python3 with its module venv is needed: apt-get install python3-venv")?;
        let wanted = tool.dir.join("wanted.txt");
        std::fs::write(&wanted, REQUIREMENTS).context("cannot write under target/")?;
        let mut pip = Command::new(tool.program("pip"));
        run(pip.args(["install", "--quiet", "--no-deps", "--requirement"]).arg(&wanted))?;
        std::fs::write(settings, SETTINGS).context("cannot write under target/")?;
        std::fs::rename(wanted, installed).context("cannot write under target/")?;
        Ok(tool)
    }

    /// Fuzzes the service at `url`, showing what comes of it; whether every answer was as its document says.
    pub(super) fn fuzz(&self, url: &str, cases: u32, seed: Option<u128>) -> Result<bool> {
        let token = issue("alice", &["catalog:write ops".parse()?], Lifetime::DAY)?;
        let mut command = Command::new(self.program("schemathesis"));
        command.arg("--config-file").arg(self.dir.join("schemathesis.toml"));
        command.args(["run", &format!("{url}/openapi.json"), "--url", url]);
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
        command.args([
            "--checks",
            "all",
            "--exclude-checks",
            NOT_PROMISED,
            "--exclude-path-regex",
            "stream$",
        ]);
        command.args(["--max-examples", &cases.to_string(), "--request-timeout", PATIENCE]);
        command.args(["--continue-on-failure", "--generation-database", "none", "--warnings", "off"]);
        if let Some(seed) = seed {
            command.args(["--seed", &seed.to_string()]);
        }
        let status = command.current_dir(&self.dir).stdin(Stdio::null()).status();
        match status.context("cannot run schemathesis")?.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => bail!("schemathesis failed"),
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        Path::new(&self.dir).join("bin").join(name)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
