//! Relays that go away.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{patience::until, run::act, stage::Who};

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
    fault!(
        "relay-settings-mixed",
        "relay",
        [3, 1],
        "relays that listen and see each other's sessions replace, one by one, some that poll and only have leases",
        mixed
    ),
];

/// What a relay is told that works through a connection pooler, in small steps.
const POLLING: [(&str, &str); 3] = [
    ("APP__DATABASES__CATALOG__NOTIFICATIONS", "false"),
    ("APP__RELAY__BATCH_SIZE", "50"),
    ("APP__RELAY__MAX_IN_FLIGHT", "7"),
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
    scene.freeze(ONE, 6.0..=8.0).await
}

async fn terminated(scene: &mut Scene<'_>) -> Result<Act> {
    scene.restart(ONE).await
}

async fn rolling(scene: &mut Scene<'_>) -> Result<Act> {
    for n in 1..=3 {
        scene.stage.stop(Who::Relay(n)).await?;
        scene.hold(0.1..=0.5).await;
        scene.stage.start(Who::Relay(n)).await?;
    }
    Ok(act(3, Instant::now()))
}

async fn mixed(scene: &mut Scene<'_>) -> Result<Act> {
    for n in 1..=3 {
        scene.stage.stop(Who::Relay(n)).await?;
        scene.stage.launch(Who::Relay(n), &POLLING)?;
    }
    for n in 1..=3 {
        three_share(scene, i64::from(n) - 1).await?;
        let who = Who::Relay(n);
        // Some are asked to end, some are not.
        if scene.stage.rng.bool() {
            scene.stage.stop(who).await?;
        } else {
            scene.stage.kill(who)?;
        }
        scene.stage.start(who).await?;
    }
    three_share(scene, 3).await?;
    Ok(act(3, Instant::now()))
}

/// Waits until three relays own partitions, so many of which have a session that their neighbours watch.
async fn three_share(scene: &Scene<'_>, watched: i64) -> Result<()> {
    let owners = "select count(distinct relay_id) filter (where backend_pid = 0),
                         count(distinct relay_id) filter (where backend_pid <> 0)
                    from outbox_partition join outbox_relay using (relay_id)
                   where owned_until > clock_timestamp() and alive_until > clock_timestamp()";
    let three = async || {
        let owners: (i64, i64) = sqlx::query_as(owners).fetch_one(&scene.stage.catalog).await?;
        Ok((owners == (3 - watched, watched)).then_some(()))
    };
    let shared = until(Duration::from_secs(20), Duration::from_millis(50), three).await?;
    shared.with_context(|| format!("three relays, {watched} of them replaced, do not share the partitions"))
}
