//! Servers whose disk takes its time: each write that has to reach it is held up.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use shop::process::Identity;
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::{Name, until};

/// How long each write is held up: as on a disk that turns, and is busy with other data.
const HELD_UP: &str = "inject=fsync,fdatasync:delay_exit=60ms";

/// How long strace may take to get hold of a server.
const LIMIT: Duration = Duration::from_secs(10);

/// How long strace may take to let go of a server.
const LETTING_GO: Duration = Duration::from_secs(2);

pub(super) const FAULTS: &[Fault] = faults! {
    postgres: "postgres-disk-slow" [1, 1]
        "PostgreSQL's disk takes 60 ms more for each write that has to reach it" => slow(Name::Postgres);
    broker: "broker-disk-slow" [1, 1]
        "RabbitMQ's disk takes 60 ms more for each write that has to reach it" => slow(Name::RABBITMQ);
};

async fn slow(target: &mut Target<'_>, name: Name) -> Result<Injection> {
    let interrupt = target.environment.interrupt.clone();
    if !super::tool("strace", &interrupt) {
        return Ok(injection(0, Instant::now()));
    }
    let log = target.environment.logs().join(format!("{name}.strace"));
    let slowed = Slowed::begin(&target.environment.processes_of(name)?, log)?;
    // None where this process may not trace others: then nothing was slow, and the run is void.
    until(LIMIT, Duration::from_millis(50), async || Ok((slowed.seen() > 0).then_some(()))).await?;
    target.hold(6.0..=8.0).await;
    let seen = slowed.seen();
    drop(slowed);
    Ok(injection(seen, Instant::now()))
}

/// A server that strace holds up. Let go when dropped.
struct Slowed {
    strace: Child,
    log: PathBuf,
}

impl Slowed {
    fn begin(processes: &[Identity], log: PathBuf) -> Result<Self> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-e", "trace=fsync,fdatasync", "-e", HELD_UP, "-o"]).arg(&log);
        for process in processes {
            strace.args(["-p", &process.pid.to_string()]);
        }
        let strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self { strace: strace.context("cannot run strace")?, log })
    }

    /// How many writes have been held up so far.
    fn seen(&self) -> u64 {
        fs::read_to_string(&self.log).unwrap_or_default().matches("(DELAYED)").count() as u64
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        // Asked to end it lets go of the server; killed, it would as well, but between two stops.
        let pid = i32::try_from(self.strace.id()).ok().and_then(Pid::from_raw);
        if pid.is_none_or(|pid| kill_process(pid, Signal::TERM).is_err()) {
            drop(self.strace.kill());
        }
        let until = Instant::now() + LETTING_GO;
        while Instant::now() < until && matches!(self.strace.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.strace.kill());
        drop(self.strace.wait());
    }
}
