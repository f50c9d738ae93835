//! What the metrics of the relay mean, and the times that it measures.

use std::time::Instant;

use chrono::{DateTime, Utc};
use metrics::Histogram;

/// Says what each metric means.
pub(crate) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("outbox_pending_messages", "Events that wait to be published.");
    describe_gauge!("outbox_failed_messages", "Events that failed and wait for an operator.");
    describe_gauge!("outbox_relays", "Relays whose lease is running.");
    describe_gauge!(
        "outbox_oldest_pending_age_seconds",
        "The age of the oldest pending event; 0 when there is none."
    );
    describe_gauge!(
        "outbox_held_back_events",
        "Events of a type that the broker does not take at the moment."
    );
    describe_gauge!("outbox_unrouted_messages", "Events of all services that no queue was bound for.");
    describe_gauge!("outbox_connected", "Whether the database and the broker are available: 1, or 0.");
    describe_counter!("outbox_published_total", "Events that were published and marked.");
    describe_counter!("outbox_purged_total", "Published and skipped events that retention has deleted.");
    describe_histogram!("outbox_confirm_seconds", "Time from sending an event to the broker's confirmation.");
    describe_histogram!(
        "outbox_publish_lag_seconds",
        "Time from an event's creation, on the database's clock, to the broker's confirmation."
    );
}

/// The times of the events of one database.
pub(crate) struct Times {
    confirm: Histogram,
    lag: Histogram,
}

impl Times {
    pub(crate) fn of(database: &str) -> Self {
        let database = || database.to_owned();
        Self {
            confirm: metrics::histogram!("outbox_confirm_seconds", "database" => database()),
            lag: metrics::histogram!("outbox_publish_lag_seconds", "database" => database()),
        }
    }

    /// An event that was created and sent at these times is confirmed now.
    pub(crate) fn confirmed(&self, created: DateTime<Utc>, sent: Instant) {
        self.confirm.record(sent.elapsed());
        // The database's clock may be ahead.
        self.lag.record((Utc::now() - created).to_std().unwrap_or_default());
    }
}
