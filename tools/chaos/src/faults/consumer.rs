//! Consumers and the catalog: killed, frozen, restarted.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::{
    Fault, Injection, Target, injection,
    process::{crash_loop, frozen, killed, restarted},
};
use harness::Name;

const ONE: Name = Name::BASKET;

pub(super) const FAULTS: &[Fault] = faults! {
    around: "calm" [3, 2] "nothing is broken: nothing may be published twice either" => calm;
    consumer: "consumer-killed" [1, 1] "the basket is killed while it handles events" => killed(ONE, 0.5..=2.0);
    consumer: "consumer-killed-with-standby" [1, 2]
        "one of two baskets is killed and is not restarted" => one_killed;
    consumer: "consumer-crash-loop" [1, 1]
        "a basket that is killed as soon as it works" => crash_loop(ONE, 10, 0.2..=0.9);
    consumer: "consumer-frozen" [1, 2]
        "one of two baskets stands still, then goes on" => frozen(ONE, 12.0..=14.0);
    consumer: "consumer-terminated" [1, 1] "the basket is asked to end, and started again" => restarted(ONE);
    around: "catalog-killed" [1, 1]
        "the catalog is killed again and again while prices change" => catalog_killed;
    around: "catalog-frozen" [1, 1]
        "the catalog stands still for longer than clients wait" => frozen(Name::CATALOG, 5.0..=6.0);
};

async fn calm(target: &mut Target<'_>) -> Result<Injection> {
    use crate::check::{Expected, Repeats};
    let done = target.workload.until_done(60, Duration::from_secs(30)).await?;
    let expected = Expected { repeats: Repeats::None, ..Expected::default() };
    Ok(Injection { expected, ..injection(u64::from(done), Instant::now()) })
}

async fn one_killed(target: &mut Target<'_>) -> Result<Injection> {
    target.environment.kill(Name::basket(2))?;
    target.hold(0.5..=1.0).await;
    target.environment.start(Name::basket(2)).await?;
    target.environment.kill(ONE)?;
    let healed = Instant::now();
    target.hold(2.0..=3.0).await;
    target.environment.start(ONE).await?;
    Ok(injection(2, healed))
}

async fn catalog_killed(target: &mut Target<'_>) -> Result<Injection> {
    for _ in 0..6 {
        target.environment.kill(Name::CATALOG)?;
        target.environment.start(Name::CATALOG).await?;
        target.hold(0.1..=0.8).await;
    }
    Ok(injection(6, Instant::now()))
}
