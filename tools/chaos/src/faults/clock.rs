//! Services whose clocks are wrong.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sqlx::types::chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{
    load::{PRODUCTS, change_price},
    patience::until,
    run::act,
    stage::{Stage, Who},
};

/// Who gets a wrong clock; the second relay keeps the right one.
const WRONG: [Who; 3] = [Who::Catalog, Who::Relay(1), Who::Basket(1)];

/// How long an event may take from one wrong clock past another to a third.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) const FAULTS: &[Fault] = &[
    fault!(
        "clock-ahead",
        "around",
        [2, 1],
        "for catalog, basket and one of two relays it is an hour later",
        |scene| wrong(scene, "+1h")
    ),
    fault!(
        "clock-behind",
        "around",
        [2, 1],
        "for catalog, basket and one of two relays it is an hour earlier",
        |scene| wrong(scene, "-1h")
    ),
];

/// Starts services with another idea of the time of day. Their sense of how time passes is left alone, as it is
/// when somebody sets a clock.
async fn wrong(scene: &mut Scene<'_>, offset: &str) -> Result<Act> {
    let interrupt = scene.stage.interrupt.clone();
    if !super::tool("faketime", &interrupt) {
        return Ok(act(0, Instant::now()));
    }
    let library = library().context("the package faketime has no library libfaketimeMT.so.1")?;
    let library = library.to_str().context("a library's path that is not text")?;
    let settings = [("LD_PRELOAD", library), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    for who in WRONG {
        scene.stage.kill(who)?;
        scene.stage.launch(who, &settings)?;
    }
    let mut seen = 0;
    for who in WRONG {
        scene.stage.service(who)?.until_ready().await?;
        seen += u64::from(is_wrong(scene.stage, who).await?);
    }
    for _ in 0..3 {
        arrives(scene).await?;
        scene.hold(1.0..=2.0).await;
    }
    for who in WRONG {
        scene.stage.kill(who)?;
        scene.stage.launch(who, &[])?;
    }
    let healed = Instant::now();
    for who in WRONG {
        scene.stage.service(who)?.until_ready().await?;
    }
    Ok(act(if seen == 3 { 3 } else { 0 }, healed))
}

/// A price change arrives while the clocks are wrong, not only afterwards.
async fn arrives(scene: &mut Scene<'_>) -> Result<()> {
    let (product, cents) = (scene.stage.rng.i64(1..=PRODUCTS), scene.stage.rng.u64(100_000..200_000));
    let id = change_price(scene.stage, product, cents).await?;
    let known = "select count(*) from inbox where event_id = $1";
    let arrived = async || {
        let known: i64 = sqlx::query_scalar(known).bind(id).fetch_one(&scene.stage.basket).await?;
        Ok((known > 0).then_some(()))
    };
    let done = until(PATIENCE, std::time::Duration::from_millis(20), arrived).await?;
    done.context("an event does not arrive while clocks are wrong")
}

/// Whether a service's answers are dated at least half an hour away from now.
async fn is_wrong(stage: &Stage, who: Who) -> Result<bool> {
    let answer = reqwest::get(format!("{}/health/live", stage.url(who)?)).await?;
    let date = answer.headers().get("date").context("an answer without a date")?.to_str()?;
    let date = DateTime::parse_from_rfc2822(date).context("an answer's date that is none")?;
    Ok((Utc::now() - date.to_utc()).num_minutes().abs() >= 30)
}

/// The library for programs with threads, in the directory of this machine's architecture.
fn library() -> Option<PathBuf> {
    let architectures = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut libraries = architectures.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file())
}
