//! The one back-off of the relay, for databases and the broker alike.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The first pause.
const SHORTEST: Duration = Duration::from_millis(100);

/// The longest: recovery waits for it, so it is short.
const LONGEST: Duration = Duration::from_secs(1);

/// Pauses of 0.1 s, doubling to 1 s, with jitter, for ever.
pub(crate) struct BackOff(ExponentialBackoff);

impl BackOff {
    pub(crate) fn new() -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Self(pauses.build())
    }

    /// It worked: the next failure starts with a short pause again.
    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Waits, longer each time.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.0.next().unwrap_or(LONGEST)).await;
    }
}
