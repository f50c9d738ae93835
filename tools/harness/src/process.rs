//! One process of a service.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use shop::process::{Identity, Launch, kill, last_words};

use crate::until;

/// How long a service may take until it is ready, and until it has ended when asked to.
const LIMIT: Duration = Duration::from_secs(40);

/// The pause between two questions to a process.
const PAUSE: Duration = Duration::from_millis(20);

/// A child process; killed when dropped.
pub struct Process {
    /// What messages call it.
    pub name: String,
    /// Its number, and what tells it from a later process with the same number.
    pub identity: Identity,
    /// The base address of its HTTP side.
    pub url: String,
    /// The file that it writes to.
    pub log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts it. Its HTTP side will listen on `port`; without one, the address is read from its log.
    pub fn start(name: String, launch: Launch, log: &Path, port: Option<u16>) -> Result<Self> {
        let (child, identity) = launch.start()?;
        let url = port.map_or_else(String::new, |port| format!("http://127.0.0.1:{port}"));
        let mut process = Self { name, identity, url, log: log.to_owned(), child };
        if port.is_none() {
            process.url = format!("http://{}", process.address()?);
        }
        Ok(process)
    }

    /// Waits until its log says where it listens.
    fn address(&self) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let address =
                text.split_once("address=").and_then(|(_, rest)| rest.split_once(char::is_whitespace));
            if let Some((address, _)) = address {
                return Ok(address.to_owned());
            }
            self.must_run()?;
            ensure!(Instant::now() < deadline, "{} does not say where it listens:\n{text}", self.name);
            std::thread::sleep(PAUSE);
        }
    }

    fn must_run(&self) -> Result<()> {
        ensure!(self.identity.is_alive(), "{} ended:\n{}", self.name, last_words(&self.log));
        Ok(())
    }

    /// Waits until `/health/ready` answers 200.
    pub async fn until_ready(&self) -> Result<()> {
        self.until_answers(200).await
    }

    /// Waits until `/health/ready` answers with this status.
    pub async fn until_answers(&self, wanted: u16) -> Result<()> {
        let url = format!("{}/health/ready", self.url);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        let mut said = String::new();
        let ready = until(LIMIT, PAUSE, async || {
            self.must_run()?;
            let Ok(answer) = client.get(&url).send().await else { return Ok(None) };
            let status = answer.status();
            said = format!("{status} {}", answer.text().await.unwrap_or_default());
            Ok((status == wanted).then_some(()))
        });
        let ready = ready.await?;
        ready.with_context(|| {
            let (name, log) = (&self.name, last_words(&self.log));
            format!(
                "{name} did not answer {wanted}; its last answer was {said:?}; the end of its log:\n{log}"
            )
        })
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask after a child")
    }

    /// Waits until it ends; `None` if it still runs after `limit`.
    pub async fn until_ended(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        until(limit, Duration::from_millis(5), async || self.ended()).await
    }

    /// Waits until it ends by itself; whether SIGKILL ended it. `None` if it still runs after `limit`.
    pub async fn until_killed(&mut self, limit: Duration) -> Result<Option<bool>> {
        Ok(self.until_ended(limit).await?.map(|status| status.signal() == Some(9)))
    }

    /// Sends a signal; `false` if the process is gone already.
    pub fn signal(&self, signal: Signal) -> Result<bool> {
        self.identity.signal(signal)
    }

    /// Kills it without warning.
    pub fn kill(&mut self) -> Result<()> {
        kill(&self.identity)?;
        self.child.wait().context("cannot wait for a killed child")?;
        Ok(())
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let ended = self.until_ended(LIMIT).await?;
        ended.with_context(|| format!("{} did not end when asked to", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A frozen process is killed as well; one that is gone needs nothing.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Resident memory of a process in bytes; 0 if it is gone.
pub fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// How many files and connections a process has open; 0 if it is gone.
pub fn open_files(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |files| files.count() as u64)
}

/// A program of the workspace that was built with this one: beside it, or beside the tests' own folder.
pub fn beside_this_program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program has no path")?;
    let mut folder = own.parent().context("this program is in no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("a test is in no target folder")?;
    }
    let path = folder.join(name);
    ensure!(path.is_file(), "{} is not built: use cargo shop chaos, bench or test", path.display());
    Ok(path)
}
