//! One process of a service.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use shop::process::{Identity, Launch, Record, kill, last_words};

use super::Who;
use crate::patience::until;

/// How long a service may take until it is ready, and until it has ended when asked to.
const PATIENCE: Duration = Duration::from_secs(40);

/// A child of the harness; ended with the stage.
pub(crate) struct Service {
    pub(crate) who: Who,
    pub(crate) process: Identity,
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Service {
    pub(super) fn start(
        who: Who,
        program: &Path,
        log: PathBuf,
        port: u16,
        variables: impl IntoIterator<Item = (String, String)>,
        run: &Path,
    ) -> Result<Self> {
        let (child, process) = Launch::new(program, &log).envs(variables).start()?;
        // Whoever removes the stage finds it by this, even if the harness itself was killed.
        Record { process: process.clone() }.write(run, &who.to_string())?;
        Ok(Self { who, process, child, port, log })
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn until_ready(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/health/ready", self.port);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        let (who, log) = (self.who, self.log.clone());
        let mut said = String::new();
        let ready = until(PATIENCE, Duration::from_millis(50), async || {
            if let Some(status) = self.ended()? {
                bail!("{who} ended ({status}):\n{}", last_words(&log));
            }
            let Ok(answer) = client.get(&url).send().await else { return Ok(None) };
            let is_ready = answer.status() == 200;
            said = answer.text().await.unwrap_or_default();
            Ok(is_ready.then_some(()))
        });
        let ready = ready.await?;
        ready.with_context(|| {
            format!(
                "{who} did not become ready; it last said {said:?}; the end of its log:\n{}",
                last_words(&log)
            )
        })
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask after a child")
    }

    /// Waits until it has ended by itself; whether it was by SIGKILL.
    pub(crate) async fn until_killed(&mut self, patience: Duration) -> Result<Option<bool>> {
        let ended = until(patience, Duration::from_millis(5), async || self.ended()).await?;
        Ok(ended.map(|status| status.signal() == Some(9)))
    }

    /// Sends a signal; `false` if it was gone already.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        self.process.signal(signal)
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) -> Result<()> {
        kill(&self.process)?;
        self.child.wait().context("cannot wait for a killed child")?;
        Ok(())
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let who = self.who;
        let ended = until(PATIENCE, Duration::from_millis(10), async || self.ended()).await?;
        ended.with_context(|| format!("{who} did not end when asked to"))
    }

    /// Resident memory in bytes, and open files.
    pub(crate) fn footprint(&self) -> (u64, u64) {
        let directory = PathBuf::from(format!("/proc/{}", self.process.pid));
        let status = std::fs::read_to_string(directory.join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        let files = std::fs::read_dir(directory.join("fd")).map_or(0, |files| files.count() as u64);
        (kilobytes * 1024, files)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A frozen process is killed as well; one that is gone needs nothing.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
