//! Several relays under random kills, freezes and restarts, for as long as one likes.

use std::{sync::OnceLock, time::Duration};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::faults::{Act, Fault, Scene, act};
use harness::Service;

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
        inject: |scene| Box::pin(inject(scene)),
    })
}

async fn inject(scene: &mut Scene<'_>) -> Result<Act> {
    let (length, relays) = *SOAK.get().context("a soak without a length")?;
    let until = Instant::now() + length;
    let (mut injected, mut told) = (0, Instant::now());
    while Instant::now() < until {
        scene.environment.interrupt.check()?;
        strike_relays(scene, relays).await?;
        injected += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let (ok, failed, unknown) = scene.workload.counters.counts();
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            eprintln!(
                "    {injected} kills, freezes and restarts; {ok} operations ok, {failed} failed, {unknown} \
                 unknown; {} messages seen; {left} s left",
                scene.recorder.len()
            );
        }
    }
    Ok(act(injected, Instant::now()))
}

/// Kills one of so many relays, or freezes it, or has it end, and brings it back; then leaves all in peace for
/// a moment.
pub(crate) async fn strike_relays(scene: &mut Scene<'_>, relays: u8) -> Result<()> {
    let service = Service::Relay(scene.rng.u8(1..=relays));
    match scene.rng.u8(0..10) {
        0..5 => {
            scene.environment.kill(service)?;
            scene.hold(0.0..=2.0).await;
            scene.environment.launch(service, &[])?;
        }
        5..8 => {
            scene.environment.signal(service, Signal::STOP)?;
            // Shorter and longer than a lease.
            scene.hold(0.5..=9.0).await;
            scene.environment.signal(service, Signal::CONT)?;
        }
        _ => {
            scene.environment.service(service)?.until_ready().await?;
            scene.environment.stop(service).await?;
            scene.hold(0.0..=1.0).await;
            scene.environment.launch(service, &[])?;
        }
    }
    scene.hold(0.1..=3.0).await;
    Ok(())
}
