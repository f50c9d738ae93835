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
    /// Takes down who has this process id now; `None` if nobody has, or only a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid)?;
        if stat.has_ended {
            return None;
        }
        Some(Self { pid, started: stat.started, boot: boot()? })
    }

    /// Takes down who a child is that has not been waited for; it may have ended already.
    pub(super) fn of_child(child: &Child) -> Result<Self> {
        let pid = child.id();
        match (Stat::of(pid), boot()) {
            (Some(stat), Some(boot)) => Ok(Self { pid, started: stat.started, boot }),
            _ => bail!("cannot read /proc/{pid}/stat: cargo shop needs /proc"),
        }
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
struct Stat {
    /// It only waits for its parent to take notice.
    has_ended: bool,
    is_frozen: bool,
    started: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in brackets and may itself contain brackets and spaces.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let (has_ended, is_frozen) = (matches!(state, "Z" | "X"), state == "T");
        Some(Self { has_ended, is_frozen, started: fields.nth(18)?.parse().ok()? })
    }
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}
