//! Several relays under random kills, freezes and restarts, for as long as one likes.

use std::{sync::OnceLock, time::Duration};

use anyhow::{Context, Result};
use rustix::process::Signal;
use shop::terminal::complain;
use tokio::time::Instant;

use crate::faults::{Fault, Injection, Target, injection};
use harness::Name;

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
        has_orders: false,
        has_users: false,
        inject: |target| Box::pin(inject(target)),
    })
}

async fn inject(target: &mut Target<'_>) -> Result<Injection> {
    let (length, relays) = *SOAK.get().context("a soak without a length")?;
    let until = Instant::now() + length;
    let (mut injected, mut told) = (0, Instant::now());
    while Instant::now() < until {
        target.environment.interrupt.check()?;
        strike_relays(target, relays).await?;
        injected += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            let (ok, failed, unknown) = target.workload.counters.counts();
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            complain(format!(
                "    {injected} kills, freezes and restarts; {ok} operations ok, {failed} failed, {unknown} \
                 unknown; {} messages seen; {left} s left",
                target.recorder.len()
            ));
        }
    }
    Ok(injection(injected, Instant::now()))
}

/// Kills one of so many relays, or freezes it, or has it end, and brings it back; then leaves all in peace for
/// a moment.
pub(crate) async fn strike_relays(target: &mut Target<'_>, relays: u8) -> Result<()> {
    let service = Name::Relay(target.rng.u8(1..=relays));
    match target.rng.u8(0..10) {
        0..5 => {
            target.environment.kill(service)?;
            target.hold(0.0..=2.0).await;
            target.environment.launch(service, &[])?;
        }
        5..8 => {
            target.environment.signal(service, Signal::STOP)?;
            // Shorter and longer than a lease.
            target.hold(0.5..=9.0).await;
            target.environment.signal(service, Signal::CONT)?;
        }
        _ => {
            target.environment.service(service)?.until_ready().await?;
            target.environment.stop(service).await?;
            target.hold(0.0..=1.0).await;
            target.environment.launch(service, &[])?;
        }
    }
    target.hold(0.1..=3.0).await;
    Ok(())
}
