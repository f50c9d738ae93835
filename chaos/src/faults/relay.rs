//! Relays that go away.

use anyhow::Result;
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{run::act, stage::Who};

const ONE: Who = Who::Relay(1);

pub(super) const FAULTS: &[Fault] = &[
    fault!("relay-killed", "relay", [1, 1], "the only relay is killed, and started again", killed),
    fault!(
        "relay-killed-with-standby",
        "relay",
        [2, 1],
        "one of two relays is killed and stays away",
        one_killed
    ),
    fault!(
        "relay-killed-of-three",
        "relay",
        [3, 1],
        "one of three relays is killed and stays away",
        one_killed
    ),
    fault!(
        "relay-killed-again-and-again",
        "relay",
        [1, 1],
        "a relay that is killed as soon as it works",
        crash_loop
    ),
    fault!(
        "relay-frozen",
        "relay",
        [2, 1],
        "one of two relays stands still for longer than its lease, then goes on",
        frozen
    ),
    fault!(
        "relay-terminated",
        "relay",
        [1, 1],
        "the only relay is asked to end in mid-batch, and started again",
        terminated
    ),
    fault!(
        "relay-rolling-restart",
        "relay",
        [3, 1],
        "three relays are restarted one after the other",
        rolling
    ),
];

async fn killed(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.kill(ONE)?;
    scene.hold(0.5..=2.0).await;
    let healed = Instant::now();
    scene.stage.start(ONE).await?;
    Ok(act(1, healed))
}

async fn one_killed(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.kill(ONE)?;
    let healed = Instant::now();
    scene.hold(2.0..=3.0).await;
    Ok(act(1, healed))
}

async fn crash_loop(scene: &mut Scene<'_>) -> Result<Act> {
    let mut seen = 0;
    for _ in 0..8 {
        scene.stage.kill(ONE)?;
        seen += 1;
        scene.stage.launch(ONE, &[])?;
        scene.hold(0.1..=0.8).await;
    }
    scene.stage.kill(ONE)?;
    let healed = Instant::now();
    scene.stage.start(ONE).await?;
    Ok(act(seen + 1, healed))
}

async fn frozen(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.signal(ONE, Signal::STOP)?;
    scene.hold(6.0..=8.0).await;
    scene.stage.signal(ONE, Signal::CONT)?;
    Ok(act(1, Instant::now()))
}

async fn terminated(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.stop(ONE).await?;
    scene.hold(0.2..=1.0).await;
    let healed = Instant::now();
    scene.stage.start(ONE).await?;
    Ok(act(1, healed))
}

async fn rolling(scene: &mut Scene<'_>) -> Result<Act> {
    for n in 1..=3 {
        scene.stage.stop(Who::Relay(n)).await?;
        scene.hold(0.1..=0.5).await;
        scene.stage.start(Who::Relay(n)).await?;
    }
    Ok(act(3, Instant::now()))
}
