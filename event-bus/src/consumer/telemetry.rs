//! What the metrics of a subscriber mean, and the times that it measures.

use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::inbox::Receipt;

/// Says what each metric means.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "inbox_deliveries_total",
        "Deliveries by what they were: first, waiting, repeated and so on."
    );
    describe_counter!("inbox_dead_lettered_total", "Messages that were moved to the dead-letter queue.");
    describe_counter!("inbox_failures_total", "Tries of events that failed and may work later.");
    describe_counter!("inbox_ignored_total", "Events of types that the subscriber no longer handles.");
    describe_counter!("inbox_unreceivable_total", "Times that a message could not even be received.");
    describe_gauge!("inbox_waiting_events", "Events that wait for another try, or behind one of their key.");
    describe_gauge!(
        "inbox_blocked_keys",
        "Keys whose first event failed at its last try: they wait for an operator."
    );
    describe_gauge!("amqp_consumer_connected", "Whether the subscriber consumes: 1, or 0.");
    describe_histogram!(
        "inbox_handling_seconds",
        "Time of one transaction with its events, from begin to commit."
    );
    describe_histogram!(
        "inbox_end_to_end_seconds",
        "Time from an event's creation, on its producer's clock, to the commit of its effect."
    );
}

/// Starts the counters of a subscriber at zero: a rate of a series that is not there yet is unknown.
pub(super) fn start(consumer: &str) {
    for receipt in Receipt::ALL {
        let labels = [("consumer", consumer.to_owned()), ("receipt", receipt.name().to_owned())];
        metrics::counter!("inbox_deliveries_total", &labels).absolute(0);
    }
    for name in [
        "inbox_dead_lettered_total",
        "inbox_failures_total",
        "inbox_ignored_total",
        "inbox_unreceivable_total",
    ] {
        metrics::counter!(name, "consumer" => consumer.to_owned()).absolute(0);
    }
}

/// A transaction that began at `started` is committed, with the effects of events that were created at these times.
pub(super) fn committed(consumer: &str, started: Instant, created: impl Iterator<Item = DateTime<Utc>>) {
    metrics::histogram!("inbox_handling_seconds", "consumer" => consumer.to_owned())
        .record(started.elapsed());
    let end_to_end = metrics::histogram!("inbox_end_to_end_seconds", "consumer" => consumer.to_owned());
    let now = Utc::now();
    for created in created {
        // A producer's clock may be ahead.
        end_to_end.record((now - created).to_std().unwrap_or_default());
    }
}
