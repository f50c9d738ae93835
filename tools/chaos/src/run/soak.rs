//! Several relays under random kills, freezes and restarts, for as long as one likes.

use std::{sync::OnceLock, time::Duration};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::{
    faults::{Act, Fault, Scene},
    run::act,
    stage::Who,
};

/// How long, and with how many relays: a fault is a function without arguments.
static SOAK: OnceLock<(Duration, u8)> = OnceLock::new();

/// The soak as a fault of this length, which is asked for once.
pub(crate) fn soak(length: Duration, relays: u8) -> Result<Fault> {
    SOAK.set((length, relays)).ok().context("the soak has its length already")?;
    Ok(Fault {
        name: "soak",
        group: "soak",
        about: "relays are killed, frozen and asked to end at random",
        relays,
        baskets: 1,
        strike: |scene| Box::pin(strike(scene)),
    })
}

async fn strike(scene: &mut Scene<'_>) -> Result<Act> {
    let (length, relays) = *SOAK.get().context("a soak without a length")?;
    let until = Instant::now() + length;
    let (mut struck, mut told) = (0, Instant::now());
    while Instant::now() < until {
        scene.stage.interrupt.check()?;
        strike_relays(scene, relays).await?;
        struck += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let (ok, failed, unknown) = scene.load.tally.counts();
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            eprintln!(
                "    {struck} kills, freezes and restarts; {ok} operations ok, {failed} failed, {unknown} \
                 unknown; {} messages seen; {left} s left",
                scene.probe.len()
            );
        }
    }
    Ok(act(struck, Instant::now()))
}

/// Kills one of so many relays, or freezes it, or has it end, and brings it back; then leaves all in peace for
/// a moment.
pub(crate) async fn strike_relays(scene: &mut Scene<'_>, relays: u8) -> Result<()> {
    let who = Who::Relay(scene.stage.rng.u8(1..=relays));
    match scene.stage.rng.u8(0..10) {
        0..5 => {
            scene.stage.kill(who)?;
            scene.hold(0.0..=2.0).await;
            scene.stage.launch(who, &[])?;
        }
        5..8 => {
            scene.stage.signal(who, Signal::STOP)?;
            // Shorter and longer than a lease.
            scene.hold(0.5..=9.0).await;
            scene.stage.signal(who, Signal::CONT)?;
        }
        _ => {
            scene.stage.service(who)?.until_ready().await?;
            scene.stage.stop(who).await?;
            scene.hold(0.0..=1.0).await;
            scene.stage.launch(who, &[])?;
        }
    }
    scene.hold(0.1..=3.0).await;
    Ok(())
}
