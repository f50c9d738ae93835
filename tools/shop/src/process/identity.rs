//! Telling a process from a later one that was given its number.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::Child;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, for good: its number, the moment it started, and the boot that this was in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Clock ticks between boot and start (field 22 of `/proc/<pid>/stat`).
    started: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    boot: String,
}

impl Identity {
    /// The process that has this id now; `None` if there is none, or only a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid)?;
        if stat.has_ended {
            return None;
        }
        Some(Self { pid, started: stat.started, boot: boot()? })
    }

    /// The identity of a child that has not been waited for; it may have ended already.
    pub(super) fn of_child(child: &Child) -> Result<Self> {
        let pid = child.id();
        match (Stat::of(pid), boot()) {
            (Some(stat), Some(boot)) => Ok(Self { pid, started: stat.started, boot }),
            _ => bail!("cannot read /proc/{pid}/stat: cargo shop needs /proc"),
        }
    }

    /// The processes that it has started and that have not ended.
    pub fn children(&self) -> Vec<Self> {
        let is_child = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace());
            after_name.and_then(|mut fields| fields.nth(1)?.parse().ok()) == Some(self.pid)
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_child).filter_map(Self::of).collect()
    }

    /// Whether this very process still runs. A zombie does not, nor does another process that has its number.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Whether it was stopped where it is, by SIGSTOP, and has not gone on since.
    pub fn is_frozen(&self) -> bool {
        self.is_alive() && Stat::of(self.pid).is_some_and(|stat| stat.is_frozen)
    }

    /// Sends a signal to this process, and to no other.
    ///
    /// Returns `false` if it is gone. Fails if it may not be signalled (it belongs to another user).
    pub fn signal(&self, signal: Signal) -> Result<bool> {
        // The handle comes before the check: from here on the number cannot be given away unnoticed.
        let Some(handle) = self.handle()? else { return Ok(false) };
        if !self.is_alive() {
            return Ok(false);
        }
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot signal process {}", self.pid)),
        }
    }

    /// Sends a signal to this process and to those that it has started, as PostgreSQL's sessions are.
    ///
    /// Returns `false` if it is gone.
    pub fn signal_with_children(&self, signal: Signal) -> Result<bool> {
        if !self.signal(signal)? {
            return Ok(false);
        }
        for child in self.children() {
            // It may have ended since it was listed.
            child.signal(signal)?;
        }
        Ok(true)
    }

    fn handle(&self) -> Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            bail!("{} is not a process id", self.pid);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(Some(handle)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot look at process {}", self.pid)),
        }
    }
}

/// What the kernel says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// It only waits for its parent to take notice. Not so while one of its threads is left, which may hold what
    /// the process had open, as the port that it listened on.
    has_ended: bool,
    is_frozen: bool,
    started: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in brackets and may itself contain brackets and spaces.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        // Fields 20 and 22. The state is that of the first thread alone.
        let threads: u32 = fields.nth(16)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Self { has_ended: matches!(state, "Z" | "X") && threads <= 1, is_frozen: state == "T", started })
    }
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::Stat;

    fn stat(state: char, threads: u32) -> Stat {
        let line = format!("7 (a (b) c) {state} 1 7 7 0 -1 4 0 0 0 0 3 1 0 0 20 0 {threads} 0 12345 0 0");
        Stat::parse(&line).expect("a line of the kernel's")
    }

    #[test]
    fn a_process_has_ended_when_its_last_thread_has() {
        assert_eq!(stat('Z', 1), Stat { has_ended: true, is_frozen: false, started: 12_345 });
        assert_eq!(stat('Z', 2), Stat { has_ended: false, is_frozen: false, started: 12_345 });
        assert_eq!(stat('T', 2), Stat { has_ended: false, is_frozen: true, started: 12_345 });
    }
}
