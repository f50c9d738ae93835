//! A failure of an event, and what follows.

use std::time::Duration;

use super::{GiveUp, Shared};
use crate::{
    envelope::IncomingEvent,
    inbox::waiting::{self, Next},
};

/// The next try of an event that something else stood in the way of.
pub(super) const PUT_OFF: Duration = Duration::from_secs(2);

/// The same, while a table, a column or a right is missing.
pub(super) const NOT_PREPARED: Duration = Duration::from_secs(10);

/// How long statements that handle no event may take.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// The pause before the next try of an event that has failed so often: 0.5 s, doubling to 60 s.
fn back_off(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    Duration::from_millis(500).saturating_mul(doubled).min(Duration::from_mins(1))
}

/// A failure of an event, and what follows.
pub(super) struct Failure<'a> {
    consumer: &'a str,
    event: &'a IncomingEvent,
    failures: u32,
    pub(super) reason: String,
    pub(super) next: Next,
}

impl<'a> Failure<'a> {
    /// The `failures`-th failure of an event; the zeroth is none, but something in its way.
    pub(super) fn of(shared: &'a Shared, event: &'a IncomingEvent, failures: u32, reason: &str) -> Self {
        let give_up = shared.handlers.get(event.event_type.as_str()).map(|handler| handler.give_up());
        let next = match give_up.unwrap_or_default() {
            _ if failures == 0 => Next::TryAgain(PUT_OFF),
            _ if failures < shared.config.max_attempts => Next::TryAgain(back_off(failures)),
            GiveUp::Block => Next::Block,
            GiveUp::Skip => Next::Skip,
        };
        let reason = waiting::storable(reason);
        Self { consumer: &shared.consumer, event, failures, reason, next }
    }

    /// It, as the inbox keeps it.
    pub(super) fn kept(&self) -> waiting::Failed<'_> {
        waiting::Failed { failures: self.failures, reason: &self.reason, next: self.next }
    }

    /// Logs and counts it, once it is committed.
    pub(super) fn report(&self) {
        let Self { consumer, event, failures, reason, next } = self;
        let (id, key, reason) = (event.id, event.key.as_str(), reason.as_str());
        if *failures == 0 {
            tracing::warn!(consumer, event.id = %id, key, reason, "something is in the way of an event, which waits for another try");
            return;
        }
        metrics::counter!("inbox_failures_total", "consumer" => (*consumer).to_owned()).increment(1);
        match next {
            Next::TryAgain(after) => {
                let after_s = after.as_secs_f64();
                tracing::warn!(consumer, event.id = %id, key, failures, after_s, reason, "an event failed and waits for another try");
            }
            Next::Block => {
                tracing::error!(consumer, event.id = %id, key, failures, reason, "a key is blocked: its event failed for the last time, requeue or skip it");
            }
            Next::Skip => {
                tracing::warn!(consumer, event.id = %id, key, failures, reason, "an event failed for the last time and is skipped");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_half_a_second_to_a_minute() {
        let pauses: Vec<f64> = (1..=10).map(|failures| back_off(failures).as_secs_f64()).collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(back_off(u32::MAX), Duration::from_mins(1));
    }
}
