//! The broker's own tool.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Rabbitmq;

/// How long the tool may take to get an answer out of the broker, in seconds.
const PATIENCE: &str = "20";

impl Rabbitmq {
    /// Runs `rabbitmqctl` on this broker, and returns what it wrote.
    ///
    /// Fails, with its words, if it says that it has failed: while the broker is away or frozen, for one.
    pub fn control(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(self.tools.server.with_file_name("rabbitmqctl"));
        command.args(["--quiet", "--timeout", PATIENCE]).args(args);
        command.envs(self.environment()).current_dir(&self.dir).stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        let output = command.output().context("cannot run rabbitmqctl")?;
        if !output.status.success() {
            bail!(
                "rabbitmqctl {} failed:\n{}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
