//! Waiting for a value, with a deadline.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

/// Asks every `pause` until there is an answer; `None` when there was none within `patience`.
pub(crate) async fn until<T>(
    patience: Duration,
    pause: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = Instant::now() + patience;
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
