//! An older release and this one, side by side on one database and one broker.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::{Build, Name};

/// How long a price change, or an order, may take while one process is replaced.
const FLOWS: Duration = Duration::from_secs(30);

/// Needs the programs of an older release: not among all the others.
pub(crate) const FAULTS: &[Fault] = faults! {
    upgrade: "release-rolled-out-and-back" [3, 2, both]
        "this release replaces an older one process by process, on tables that it has migrated, and is taken back again" => there_and_back;
};

/// As docs/operations.md has it: the tables first, then subscribers before relays; back again in the other order.
async fn there_and_back(target: &mut Target<'_>) -> Result<Injection> {
    let mut services: Vec<Name> = target.environment.services().map(|(service, _)| service).collect();
    services.retain(|service| !matches!(service, Name::Tool(_)));
    target.rng.shuffle(&mut services);
    services.sort_by_key(|service| matches!(service, Name::Relay(_)));

    target.environment.start_from(Build::This)?;
    target.environment.migrate().context("while the older release runs")?;
    target.one_arrives(FLOWS).await.context("by the older release, on the new tables")?;
    let forward = replace(target, &services).await.context("by this release")?;
    target.hold(1.0..=3.0).await;

    services.reverse();
    target.environment.start_from(Build::Older)?;
    let back = replace(target, &services).await.context("by the older release")?;
    Ok(injection(forward + back, Instant::now()))
}

/// Replaces these processes one by one by programs of the other build; how many it were.
async fn replace(target: &mut Target<'_>, services: &[Name]) -> Result<u64> {
    let mut replaced = 0;
    for service in services.iter().copied() {
        ensure!(!target.environment.is_current(service)?, "{service} is of this build already");
        target.environment.stop(service).await?;
        target.environment.start(service).await.with_context(|| format!("{service} is replaced"))?;
        target.one_arrives(FLOWS).await.with_context(|| format!("{service} was replaced"))?;
        target.one_is_ordered(FLOWS).await.with_context(|| format!("{service} was replaced"))?;
        replaced += u64::from(target.environment.is_current(service)?);
    }
    Ok(replaced)
}
