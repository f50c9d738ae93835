//! Waiting for a value, not for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Asks until there is an answer, and returns it.
///
/// # Panics
/// With `what`, when there was none within `limit`.
pub async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
