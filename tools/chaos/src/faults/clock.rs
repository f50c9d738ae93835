//! Services whose clocks are wrong.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sqlx::types::chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use crate::workload::{PRODUCTS, change_price};
use harness::{Environment, Name, until};

/// What gets a wrong clock; the second relay keeps the right one.
const WRONG: [Name; 3] = [Name::CATALOG, Name::RELAY, Name::BASKET];

/// How long an event may take from one wrong clock past another to a third.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) const FAULTS: &[Fault] = faults! {
    around: "clock-ahead" [2, 1]
        "for catalog, basket and one of two relays it is an hour later" => wrong("+1h");
    around: "clock-behind" [2, 1]
        "for catalog, basket and one of two relays it is an hour earlier" => wrong("-1h");
};

/// Starts services with another idea of the time of day. Their sense of how time passes is left alone, as it is
/// when somebody sets a clock.
async fn wrong(target: &mut Target<'_>, offset: &str) -> Result<Injection> {
    let interrupt = target.environment.interrupt.clone();
    if !super::tool("faketime", &interrupt) {
        return Ok(injection(0, Instant::now()));
    }
    let library = library().context("the package faketime has no library libfaketimeMT.so.1")?;
    let library = library.to_str().context("a library's path that is not text")?;
    let settings = [("LD_PRELOAD", library), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    for service in WRONG {
        target.environment.kill(service)?;
        target.environment.launch(service, &settings)?;
    }
    let mut seen = 0;
    for service in WRONG {
        target.environment.service(service)?.until_ready().await?;
        seen += u64::from(is_wrong(target.environment, service).await?);
    }
    for _ in 0..3 {
        arrives(target).await?;
        target.hold(1.0..=2.0).await;
    }
    for service in WRONG {
        target.environment.kill(service)?;
        target.environment.launch(service, &[])?;
    }
    let healed = Instant::now();
    for service in WRONG {
        target.environment.service(service)?.until_ready().await?;
    }
    Ok(injection(if seen == 3 { 3 } else { 0 }, healed))
}

/// A price change arrives while the clocks are wrong, not only afterwards.
async fn arrives(target: &mut Target<'_>) -> Result<()> {
    let (product, cents) = (target.rng.i64(1..=PRODUCTS), target.rng.u64(100_000..200_000));
    let id = change_price(target.environment, product, cents).await?;
    let known = "select count(*) from inbox where event_id = $1";
    let arrived = async || {
        let known: i64 = sqlx::query_scalar(known).bind(id).fetch_one(&target.environment.basket).await?;
        Ok((known > 0).then_some(()))
    };
    let done = until(LIMIT, std::time::Duration::from_millis(20), arrived).await?;
    done.context("an event does not arrive while clocks are wrong")
}

/// Whether a service's answers are dated at least half an hour away from now.
async fn is_wrong(environment: &Environment, service: Name) -> Result<bool> {
    let answer = reqwest::get(format!("{}/health/live", environment.url(service)?)).await?;
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
