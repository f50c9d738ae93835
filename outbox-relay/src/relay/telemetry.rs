//! What the metrics of the relay mean, and the times that it measures.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use chrono::{DateTime, Utc};
use event_bus::relay::{RowHeaders, left_out};
use metrics::Histogram;

use crate::store::pending::PendingEvent;

/// Says what each metric means.
pub(crate) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("outbox_pending_messages", "Events that wait to be published.");
    describe_gauge!("outbox_failed_messages", "Events that failed and wait for an operator.");
    describe_gauge!(
        "outbox_overdue_scheduled_events",
        "Scheduled events that should be in the log for 5 s at least."
    );
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
    describe_counter!(
        "outbox_dropped_headers_total",
        "Headers of rows that did not go along with their messages, by the class of their names: `copies` (CC, BCC), \
         `failure` (x-reason, x-death and the like), `name` (empty, or over 255 bytes)."
    );
    describe_histogram!("outbox_confirm_seconds", "Time from sending an event to the broker's confirmation.");
    describe_histogram!(
        "outbox_publish_lag_seconds",
        "Time from an event's creation, on the database's clock, to the broker's confirmation."
    );
}

/// The classes of headers that do not go along.
const LEFT_OUT: [&str; 3] = ["copies", "failure", "name"];

/// The most types of which it is remembered that headers of theirs were left out.
const TYPES: usize = 1_000;

/// The times of the events of one database, and the headers that they lost.
pub(crate) struct Times {
    database: String,
    /// The types whose lost headers were logged.
    logged: Mutex<HashSet<String>>,
    confirm: Histogram,
    lag: Histogram,
}

impl Times {
    /// Also starts the counters of this database at zero.
    pub(crate) fn of(database: &str) -> Self {
        let database = || database.to_owned();
        for name in ["outbox_published_total", "outbox_purged_total"] {
            metrics::counter!(name, "database" => database()).increment(0);
        }
        for class in LEFT_OUT {
            let counter =
                metrics::counter!("outbox_dropped_headers_total", "database" => database(), "class" => class);
            counter.increment(0);
        }
        Self {
            database: database(),
            logged: Mutex::default(),
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

    /// An event has been sent without those of its headers that do not go along: the log names the first of a type.
    pub(crate) fn sent(&self, event: &PendingEvent) {
        let RowHeaders { others, unnameable, .. } = &event.headers;
        let left_out = others.iter().filter_map(|(name, _)| Some((left_out(name)?, name.as_str())));
        let unnameable = (0..*unnameable)
            .map(|_| ("name", "(one that is empty or over 255 bytes, or all: they are no JSON object)"));
        for (class, name) in left_out.chain(unnameable) {
            let database = self.database.clone();
            let counter =
                metrics::counter!("outbox_dropped_headers_total", "database" => database, "class" => class);
            counter.increment(1);
            let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
            if logged.len() < TYPES && logged.insert(event.event_type.clone()) {
                let (database, event_type) = (&self.database, &event.event_type);
                tracing::warn!(
                    database,
                    event_type,
                    header = name,
                    "a header does not go along: see docs/own-service.md"
                );
            }
        }
    }
}
