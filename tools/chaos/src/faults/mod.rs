//! Everything that is broken on purpose, one function a fault.

/// Declares faults: the group, the name, how many relays and baskets run, what happens, and the function that
/// does it, with its arguments.
macro_rules! faults {
    ($($group:ident: $name:literal [$relays:literal, $baskets:literal] $about:literal
        => $inject:ident $(($($argument:expr),* $(,)?))?;)*) => {
        &[$($crate::faults::Fault {
            name: $name,
            group: stringify!($group),
            about: $about,
            relays: $relays,
            baskets: $baskets,
            inject: |target| Box::pin($inject(target $($(, $argument)*)?)),
        }),*]
    };
}

mod broker;
mod calls;
mod clock;
mod consumer;
mod disk;
mod flood;
mod messages;
mod network;
mod points;
mod postgres;
mod process;
mod relay;
mod slow_disk;
mod waiting;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub(crate) use self::{flood::flood_of, messages::storm_of};

use anyhow::{Context, Result};
use futures_util::future::LocalBoxFuture;
use shop::{
    servers::install_for_chaos,
    terminal::{Interrupt, Progress},
};
use tokio::time::{Instant, sleep};

use crate::{
    check::{Expected, Recorder},
    workload::Workload,
};
use harness::Environment;

/// Something that is broken, and what has to run for it.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) about: &'static str,
    pub(crate) relays: u8,
    pub(crate) baskets: u8,
    pub(crate) inject: Inject,
}

/// Breaks something, and mends it again.
pub(crate) type Inject = for<'a, 'b> fn(&'a mut Target<'b>) -> LocalBoxFuture<'a, Result<Injection>>;

/// What a fault has to work with.
pub(crate) struct Target<'a> {
    pub(crate) environment: &'a mut Environment,
    pub(crate) workload: &'a Workload,
    pub(crate) recorder: &'a Recorder,
    pub(crate) rng: &'a mut fastrand::Rng,
    /// The most memory that a relay or a basket was seen to have, in bytes.
    pub(crate) heaviest: &'a mut u64,
}

/// What a fault has done.
pub(crate) struct Injection {
    /// How often it was seen to happen.
    pub(crate) seen: u64,
    /// When everything was mended.
    pub(crate) healed: Instant,
    /// What it is meant to leave behind.
    pub(crate) expected: Expected,
    /// Whether an operator has to replay what was published meanwhile: it was deleted.
    pub(crate) is_replayed: bool,
}

/// What a fault that leaves nothing special behind has done.
pub(crate) fn injection(seen: u64, healed: Instant) -> Injection {
    Injection { seen, healed, expected: Expected::default(), is_replayed: false }
}

impl Target<'_> {
    /// Leaves things as they are for a while.
    pub(crate) async fn hold(&mut self, seconds: std::ops::RangeInclusive<f64>) {
        let span = seconds.end() - seconds.start();
        sleep(Duration::from_secs_f64(seconds.start() + span * self.rng.f64())).await;
    }
}

/// Whether this machine has a program that a fault needs; installs Debian's package of that name where it is
/// missing and this is allowed. Without it the run is void.
fn tool(name: &str, interrupt: &Interrupt) -> bool {
    // One at a time: Debian's package manager does not run twice.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let installed = tokio::task::block_in_place(|| install_for_chaos(name, &Progress::new(), interrupt));
    if let Err(error) = &installed {
        harness::complain!("    ! this fault needs Debian's package {name}: {error:#}");
    }
    installed.is_ok()
}

/// The fault of this name.
pub(crate) fn named(name: &str) -> Result<Fault> {
    all().into_iter().find(|fault| fault.name == name).with_context(|| format!("there is no fault {name}"))
}

/// All faults, in the order in which `all` runs them.
pub(crate) fn all() -> Vec<Fault> {
    [
        // What takes longest comes first, so that parallel environments end at about the same time.
        calls::FAULTS,
        points::FAULTS,
        flood::FAULTS,
        consumer::FAULTS,
        waiting::FAULTS,
        messages::FAULTS,
        relay::FAULTS,
        network::FAULTS,
        postgres::FAULTS,
        broker::FAULTS,
        clock::FAULTS,
        slow_disk::FAULTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}
