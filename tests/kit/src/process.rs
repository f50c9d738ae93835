//! A service's process, started and broken by a test.

use std::{
    process::{Command, ExitStatus},
    time::Duration,
};

pub use rustix::process::Signal;
use shop::process::Launch;
use tempfile::NamedTempFile;

/// How long a process may take to end, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// A running service; killed when dropped. A test that fails shows its log.
pub struct Process {
    running: harness::Process,
    /// The base address of its HTTP side.
    pub url: String,
    log: NamedTempFile,
}

impl Process {
    /// Starts a service and waits until it says where it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(name: &'static str, command: Command) -> Self {
        let log = NamedTempFile::new().expect("a file for a log");
        let launch = Launch::of(command, log.path());
        let running = harness::Process::start(name.to_owned(), launch, log.path(), None).unwrap();
        Self { url: running.url.clone(), running, log }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        assert!(self.running.signal(signal).unwrap(), "{} is gone", self.running.name);
    }

    /// What the process has logged until now.
    ///
    /// # Panics
    /// When the file is gone.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// How much memory the process has resident, in KiB.
    pub fn memory_kib(&self) -> u64 {
        harness::memory(self.running.identity.pid) / 1024
    }

    /// How many files and connections the process has open.
    pub fn open_files(&self) -> u64 {
        harness::open_files(self.running.identity.pid)
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        self.running.until_ended(LIMIT).await.unwrap().expect("the process ends")
    }

    /// Waits until the service says that it is ready, or that it is not.
    ///
    /// # Panics
    /// When it does not say so.
    pub async fn until_ready(&self, ready: bool) {
        self.running.until_answers(if ready { 200 } else { 503 }).await.unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
            println!("log of {}:\n{log}", self.running.name);
        }
    }
}
