//! Relays: killed, frozen, restarted, with different settings.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::{
    Fault, Injection, Target, injection,
    process::{crash_loop, frozen, killed, restarted},
};
use harness::{Name, until};

const ONE: Name = Name::RELAY;

pub(super) const FAULTS: &[Fault] = faults! {
    relay: "relay-killed" [1, 1] "the only relay is killed, and started again" => killed(ONE, 0.5..=2.0);
    relay: "relay-killed-with-standby" [2, 1] "one of two relays is killed and is not restarted" => one_killed;
    relay: "relay-killed-of-three" [3, 1] "one of three relays is killed and is not restarted" => one_killed;
    relay: "relay-killed-again-and-again" [1, 1]
        "a relay that is killed as soon as it works" => crash_loop(ONE, 8, 0.1..=0.8);
    relay: "relay-frozen" [2, 1]
        "one of two relays stands still for longer than its lease, then goes on" => frozen(ONE, 6.0..=8.0);
    relay: "relay-terminated" [1, 1]
        "the only relay is asked to end in mid-batch, and started again" => restarted(ONE);
    relay: "relay-rolling-restart" [3, 1] "three relays are restarted one after the other" => rolling;
    relay: "relay-settings-mixed" [3, 1]
        "relays with notifications and sessions replace, one by one, relays that poll and only have leases" => mixed;
};

/// What a relay is told that works through a connection pooler, in small steps.
const POLLING: [(&str, &str); 3] = [
    ("APP__DATABASES__CATALOG__NOTIFICATIONS", "false"),
    ("APP__RELAY__BATCH_SIZE", "50"),
    ("APP__RELAY__MAX_IN_FLIGHT", "7"),
];

async fn one_killed(target: &mut Target<'_>) -> Result<Injection> {
    target.environment.kill(ONE)?;
    let healed = Instant::now();
    target.hold(2.0..=3.0).await;
    Ok(injection(1, healed))
}

async fn rolling(target: &mut Target<'_>) -> Result<Injection> {
    for n in 1..=3 {
        target.environment.stop(Name::Relay(n)).await?;
        target.hold(0.1..=0.5).await;
        target.environment.start(Name::Relay(n)).await?;
    }
    Ok(injection(3, Instant::now()))
}

async fn mixed(target: &mut Target<'_>) -> Result<Injection> {
    for n in 1..=3 {
        target.environment.stop(Name::Relay(n)).await?;
        target.environment.launch(Name::Relay(n), &POLLING)?;
    }
    for n in 1..=3 {
        three_share(target, i64::from(n) - 1).await?;
        let service = Name::Relay(n);
        // Some are asked to end, some are not.
        if target.rng.bool() {
            target.environment.stop(service).await?;
        } else {
            target.environment.kill(service)?;
        }
        target.environment.start(service).await?;
    }
    three_share(target, 3).await?;
    Ok(injection(3, Instant::now()))
}

/// Waits until three relays own partitions, and this many of them have a session that their peers monitor.
async fn three_share(target: &Target<'_>, watched: i64) -> Result<()> {
    let owners = "select count(distinct relay_id) filter (where backend_pid = 0),
                         count(distinct relay_id) filter (where backend_pid <> 0)
                    from outbox_partition join outbox_relay using (relay_id)
                   where owned_until > clock_timestamp() and alive_until > clock_timestamp()";
    let three = async || {
        let owners: (i64, i64) = sqlx::query_as(owners).fetch_one(&target.environment.catalog).await?;
        Ok((owners == (3 - watched, watched)).then_some(()))
    };
    let shared = until(Duration::from_secs(20), Duration::from_millis(50), three).await?;
    shared.with_context(|| format!("three relays, {watched} of them replaced, do not share the partitions"))
}
