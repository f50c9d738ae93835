//! Tells buyers of changes of their orders, by server-sent events.

pub mod handlers;
pub mod hub;

/// The channel that is notified after changes were committed.
pub const CHANNEL: &str = "order_change";

/// Says what the metrics of this module mean.
pub(crate) fn describe_metrics() {
    metrics::describe_gauge!("order_streams_open", "Streams of changes that are open in this process.");
    metrics::gauge!("order_streams_open").set(0.0);
}
