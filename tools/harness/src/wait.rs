//! Waiting for a value, with a deadline.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

/// Asks every `pause` until there is an answer; `None` when there is none within `limit`.
pub async fn until<T>(
    limit: Duration,
    pause: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(pause).await;
    }
}

/// Asks until there is an answer, and returns it. For tests.
///
/// # Panics
/// With `what`, when there is no answer within `limit`.
pub async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = until(limit, Duration::from_millis(20), async || Ok(ask().await)).await;
    match answer {
        Ok(Some(answer)) => answer,
        _ => panic!("not within {limit:?}: {what}"),
    }
}
