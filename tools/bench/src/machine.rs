//! The machine: what it is, and what else keeps it busy.

use std::collections::HashMap;
use std::fs;

use rustix::process::Pid;

/// Above this share of foreign processor time a figure is marked.
pub(crate) const QUIET: f64 = 0.05;

/// In words: for the charts and the JSON.
pub(crate) fn description() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gib = memory.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0 / 1024.0;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.map_or("unknown processor", |(_, name)| name);
    // What comes after the second number names a build.
    let kernel = kernel.trim().split('.').take(2).collect::<Vec<_>>().join(".");
    format!("{cpus} CPUs ({model}), {gib:.0} GiB, Linux {kernel}")
}

/// Measures what share of the machine's processor time goes to processes that are not ours: not this one
/// and not its descendants.
pub(crate) struct Meter {
    busy: u64,
    all: u64,
    ours: HashMap<u32, u64>,
}

impl Meter {
    /// Begins.
    pub(crate) fn start() -> Self {
        let (busy, all) = machine();
        Self { busy, all, ours: own_ticks() }
    }

    /// The share since the beginning, 0 to 1.
    pub(crate) fn foreign(&self) -> f64 {
        let (busy, all) = machine();
        let before = |pid: &u32| self.ours.get(pid).copied().unwrap_or_default();
        let ours: u64 = own_ticks().iter().map(|(pid, ticks)| ticks.saturating_sub(before(pid))).sum();
        let foreign = (busy - self.busy).saturating_sub(ours);
        foreign as f64 / (all - self.all).max(1) as f64
    }
}

/// Processor time that a process has used, in ticks of 10 ms.
pub(crate) fn ticks_of(pid: u32) -> u64 {
    stat(pid).map_or(0, |stat| stat.own)
}

/// Resident memory of a process, in MiB.
pub(crate) fn mebibytes(pid: u32) -> f64 {
    harness::memory(pid) as f64 / 1024.0 / 1024.0
}

/// Busy and all ticks of all processors together.
fn machine() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    // Idle, and waiting for a disk, are not busy.
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

struct Stat {
    parent: u32,
    own: u64,
    /// Its own and that of its children which have ended.
    total: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may have anything in it.
    let fields: Vec<u64> =
        text.rsplit_once(')')?.1.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    let own = fields.get(11)? + fields.get(12)?;
    Some(Stat {
        parent: u32::try_from(*fields.get(1)?).ok()?,
        own,
        total: own + fields.get(13)? + fields.get(14)?,
    })
}

fn own_ticks() -> HashMap<u32, u64> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let stats: HashMap<u32, Stat> = pids.filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let me = rustix::process::getpid();
    let is_ours = |mut pid: u32| loop {
        if Pid::from_raw(pid.cast_signed()) == Some(me) {
            return true;
        }
        match stats.get(&pid) {
            Some(stat) if stat.parent > 1 => pid = stat.parent,
            _ => return false,
        }
    };
    stats.iter().filter(|(pid, _)| is_ours(**pid)).map(|(pid, stat)| (*pid, stat.total)).collect()
}
