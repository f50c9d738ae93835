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
mod consumer;
mod disk;
mod messages;
mod network;
mod points;
mod postgres;
mod relay;

use std::time::Duration;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, sleep};

use crate::{
    check::{Expected, Probe},
    load::Load,
    stage::Stage,
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
}

/// All faults, in the order in which `all` runs them.
pub(crate) fn all() -> Vec<Fault> {
    [
        consumer::FAULTS,
        messages::FAULTS,
        relay::FAULTS,
        network::FAULTS,
        postgres::FAULTS,
        broker::FAULTS,
        calls::FAULTS,
        points::FAULTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}
