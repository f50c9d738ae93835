//! Everything that is broken on purpose, one function a fault.

/// A fault with the relays and baskets that it needs, and the function that is it.
macro_rules! fault {
    ($name:literal, $group:literal, [$relays:literal, $baskets:literal], $about:literal, $strike:expr) => {
        $crate::faults::Fault {
            name: $name,
            group: $group,
            about: $about,
            relays: $relays,
            baskets: $baskets,
            strike: |scene| Box::pin($strike(scene)),
        }
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
mod relay;
mod slow_disk;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub(crate) use self::{flood::flood_of, messages::storm_of};

use anyhow::Result;
use futures_util::future::LocalBoxFuture;
use rustix::process::Signal;
use shop::{
    servers::install_for_chaos,
    terminal::{Interrupt, Progress},
};
use tokio::time::{Instant, sleep};

use crate::{
    check::{Expected, Probe},
    load::Load,
    run::act,
    stage::{Stage, Who},
};

/// Something that is broken, and what stands on the stage for it.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) about: &'static str,
    pub(crate) relays: u8,
    pub(crate) baskets: u8,
    pub(crate) strike: Strike,
}

/// Breaks something, and mends it again.
pub(crate) type Strike = for<'a, 'b> fn(&'a mut Scene<'b>) -> LocalBoxFuture<'a, Result<Act>>;

/// What a fault has to work with.
pub(crate) struct Scene<'a> {
    pub(crate) stage: &'a mut Stage,
    pub(crate) load: &'a Load,
    pub(crate) probe: &'a Probe,
}

/// What a fault has done.
pub(crate) struct Act {
    /// How often it was seen to happen.
    pub(crate) seen: u64,
    /// When everything was mended.
    pub(crate) healed: Instant,
    /// What it is meant to leave behind.
    pub(crate) expected: Expected,
    /// Whether an operator has to send again what was published meanwhile: somebody deleted it.
    pub(crate) is_replayed: bool,
}

impl Scene<'_> {
    /// Leaves things as they are for a while.
    pub(crate) async fn hold(&mut self, seconds: std::ops::RangeInclusive<f64>) {
        let span = seconds.end() - seconds.start();
        sleep(Duration::from_secs_f64(seconds.start() + span * self.stage.rng.f64())).await;
    }

    /// Stops a process where it is, for a while, and lets it go on.
    async fn freeze(&mut self, who: Who, seconds: std::ops::RangeInclusive<f64>) -> Result<Act> {
        self.stage.signal(who, Signal::STOP)?;
        self.hold(seconds).await;
        self.stage.signal(who, Signal::CONT)?;
        Ok(act(1, Instant::now()))
    }

    /// Asks a process to end, and starts it again.
    async fn restart(&mut self, who: Who) -> Result<Act> {
        self.stage.stop(who).await?;
        self.hold(0.2..=1.0).await;
        let healed = Instant::now();
        self.stage.start(who).await?;
        Ok(act(1, healed))
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
        eprintln!("    ! this fault needs Debian's package {name}: {error:#}");
    }
    installed.is_ok()
}

/// All faults, in the order in which `all` runs them.
pub(crate) fn all() -> Vec<Fault> {
    [
        // What takes longest comes first, so that lanes end at about the same time.
        calls::FAULTS,
        points::FAULTS,
        flood::FAULTS,
        consumer::FAULTS,
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
