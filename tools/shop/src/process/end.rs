//! Ending a process: asked first, then made to.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::Identity;
use crate::terminal::{self, Interrupt};

/// How a process went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was not there any more.
    Gone,
    /// It ended when asked to.
    Clean,
    /// It did not within its time, and was killed.
    Killed,
}

/// Sends `signal`, waits up to `patience`, then kills.
pub fn end(process: &Identity, signal: Signal, patience: Duration, interrupt: &Interrupt) -> Result<Ending> {
    if !process.signal(signal)? {
        return Ok(Ending::Gone);
    }
    await_end(process, patience, interrupt)
}

/// Waits up to `patience` for a process that was asked to end, then kills it.
///
/// A second Ctrl-C (counted by `interrupt`) cuts the waiting short.
pub fn await_end(process: &Identity, patience: Duration, interrupt: &Interrupt) -> Result<Ending> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && interrupt.count() < 2 {
        if !process.is_alive() {
            return Ok(Ending::Clean);
        }
        terminal::pause();
    }
    Ok(if kill(process)? { Ending::Killed } else { Ending::Clean })
}

/// Kills without warning and waits until the process is gone; `false` if it already was.
pub fn kill(process: &Identity) -> Result<bool> {
    if !process.signal(Signal::KILL)? {
        return Ok(false);
    }
    // A killed process can linger for a moment in an uninterruptible call, hardly ever for longer.
    let deadline = Instant::now() + Duration::from_secs(10);
    while process.is_alive() && Instant::now() < deadline {
        terminal::pause();
    }
    Ok(true)
}
