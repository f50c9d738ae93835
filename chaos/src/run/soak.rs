//! Several relays under random kills, freezes and restarts, for as long as one likes.

use std::{cell::Cell, time::Duration};

use anyhow::Result;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::{
    faults::{Act, Fault, Scene},
    run::act,
    stage::Who,
};

thread_local! {
    /// How long, and with how many relays: a fault is a function without arguments.
    static SOAK: Cell<(Duration, u8)> = const { Cell::new((Duration::ZERO, 3)) };
}

/// The soak as a fault of this length.
pub(crate) fn soak(length: Duration, relays: u8) -> Fault {
    SOAK.set((length, relays));
    Fault {
        name: "soak",
        group: "soak",
        about: "relays are killed, frozen and asked to end at random",
        relays,
        baskets: 1,
        strike: |scene| Box::pin(strike(scene)),
    }
}

async fn strike(scene: &mut Scene<'_>) -> Result<Act> {
    let (length, relays) = SOAK.get();
    let until = Instant::now() + length;
    let mut told = Instant::now();
    let (mut kills, mut freezes, mut ends) = (0_u64, 0_u64, 0_u64);
    while Instant::now() < until {
        scene.stage.interrupt.check()?;
        let who = Who::Relay(scene.stage.rng.u8(1..=relays));
        match scene.stage.rng.u8(0..10) {
            0..5 => {
                scene.stage.kill(who)?;
                scene.hold(0.0..=2.0).await;
                scene.stage.launch(who, &[])?;
                kills += 1;
            }
            5..8 => {
                scene.stage.signal(who, Signal::STOP)?;
                // Shorter and longer than a lease.
                scene.hold(0.5..=9.0).await;
                scene.stage.signal(who, Signal::CONT)?;
                freezes += 1;
            }
            _ => {
                scene.stage.service(who)?.until_ready().await?;
                scene.stage.stop(who).await?;
                scene.hold(0.0..=1.0).await;
                scene.stage.launch(who, &[])?;
                ends += 1;
            }
        }
        scene.hold(0.1..=3.0).await;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let (ok, failed, unknown) = scene.load.tally.counts();
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            eprintln!(
                "    {kills} kills, {freezes} freezes, {ends} restarts; {ok} operations ok, {failed} failed, \
                 {unknown} unknown; {} messages seen; {left} s left",
                scene.probe.len()
            );
        }
    }
    Ok(act(kills + freezes + ends, Instant::now()))
}
