//! A service's process, started and broken by a test.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::eventually;

/// How long a process may take to start, or to end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running service; killed when dropped.
pub struct Process {
    child: Child,
    /// The base address of its HTTP side.
    pub url: String,
}

impl Process {
    /// Starts a service and waits until it says where it listens. What it writes goes to the test's
    /// output, each line after its `name`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(name: &'static str, command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a binary to start");
        let mut process = Self { child, url: String::new() };
        let (sender, address) = mpsc::channel();
        for output in [
            Box::new(process.child.stdout.take().unwrap()) as Box<dyn Read + Send>,
            Box::new(process.child.stderr.take().unwrap()),
        ] {
            let sender = sender.clone();
            // Reads on to the end: a service must not stop because nobody reads its log.
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    println!("{name}: {line}");
                    if let Some((_, rest)) = line.split_once("address=") {
                        drop(sender.send(rest.split_whitespace().next().unwrap_or_default().to_owned()));
                    }
                }
            });
        }
        let address = address.recv_timeout(PATIENCE).expect("the service says where it listens");
        process.url = format!("http://{address}");
        process
    }

    /// Sends a signal, such as `KILL`, `TERM` or `STOP`.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// How much memory the process has resident, in KiB.
    ///
    /// # Panics
    /// When the process is gone, or the system does not tell.
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many files and connections the process has open.
    ///
    /// # Panics
    /// When the process is gone, or the system does not tell.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", PATIENCE, async || self.child.try_wait().unwrap()).await
    }

    /// Waits until the service says that it is ready, or that it is not.
    ///
    /// # Panics
    /// When it does not say so.
    pub async fn until_ready(&self, ready: bool) {
        let status = if ready { 200 } else { 503 };
        eventually(&format!("/health/ready answers {status}"), PATIENCE, async || {
            let answer = reqwest::get(format!("{}/health/ready", self.url)).await.ok()?;
            (answer.status() == status).then_some(())
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
