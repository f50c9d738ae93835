//! Consumers that go away, and services that are in nobody's way.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{run::act, stage::Who};

const ONE: Who = Who::Basket(1);

pub(super) const FAULTS: &[Fault] = &[
    fault!("calm", "around", [3, 2], "nothing is broken: nobody repeats anything either", calm),
    fault!("consumer-killed", "consumer", [1, 1], "the basket is killed while it handles events", killed),
    fault!(
        "consumer-killed-with-standby",
        "consumer",
        [1, 2],
        "one of two baskets is killed and stays away",
        one_killed
    ),
    fault!(
        "consumer-crash-loop",
        "consumer",
        [1, 1],
        "a basket that is killed as soon as it works",
        crash_loop
    ),
    fault!("consumer-frozen", "consumer", [1, 2], "one of two baskets stands still, then goes on", frozen),
    fault!(
        "consumer-terminated",
        "consumer",
        [1, 1],
        "the basket is asked to end, and started again",
        terminated
    ),
    fault!(
        "catalog-killed",
        "around",
        [1, 1],
        "the catalog is killed again and again while prices change",
        catalog_killed
    ),
    fault!(
        "catalog-frozen",
        "around",
        [1, 1],
        "the catalog stands still for longer than clients wait",
        catalog_frozen
    ),
];

async fn calm(scene: &mut Scene<'_>) -> Result<Act> {
    use crate::check::{Expected, Repeats};
    let done = scene.load.until_done(60, Duration::from_secs(30)).await?;
    let expected = Expected { repeats: Repeats::None, ..Expected::default() };
    Ok(Act { expected, ..act(u64::from(done), Instant::now()) })
}

async fn killed(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.kill(ONE)?;
    scene.hold(0.5..=2.0).await;
    let healed = Instant::now();
    scene.stage.start(ONE).await?;
    Ok(act(1, healed))
}

async fn one_killed(scene: &mut Scene<'_>) -> Result<Act> {
    // The second is asked for carts no less than the first was: nobody has to wait for the first.
    scene.stage.kill(Who::Basket(2))?;
    scene.hold(0.5..=1.0).await;
    scene.stage.start(Who::Basket(2)).await?;
    scene.stage.kill(ONE)?;
    let healed = Instant::now();
    scene.hold(2.0..=3.0).await;
    scene.stage.start(ONE).await?;
    Ok(act(2, healed))
}

async fn crash_loop(scene: &mut Scene<'_>) -> Result<Act> {
    for _ in 0..10 {
        scene.stage.kill(ONE)?;
        scene.stage.launch(ONE, &[])?;
        scene.hold(0.2..=0.9).await;
    }
    scene.stage.kill(ONE)?;
    let healed = Instant::now();
    scene.stage.start(ONE).await?;
    Ok(act(11, healed))
}

async fn frozen(scene: &mut Scene<'_>) -> Result<Act> {
    scene.freeze(ONE, 12.0..=14.0).await
}

async fn terminated(scene: &mut Scene<'_>) -> Result<Act> {
    scene.restart(ONE).await
}

async fn catalog_killed(scene: &mut Scene<'_>) -> Result<Act> {
    for _ in 0..6 {
        scene.stage.kill(Who::Catalog)?;
        scene.stage.start(Who::Catalog).await?;
        scene.hold(0.1..=0.8).await;
    }
    Ok(act(6, Instant::now()))
}

async fn catalog_frozen(scene: &mut Scene<'_>) -> Result<Act> {
    scene.stage.signal(Who::Catalog, Signal::STOP)?;
    scene.hold(5.0..=6.0).await;
    scene.stage.signal(Who::Catalog, Signal::CONT)?;
    Ok(act(1, Instant::now()))
}
