//! What a buyer is told about the products in their cart.
//!
//! `raise` writes alerts when events are applied, `store` reads and acknowledges them. For open streams, `poller`
//! polls for new alerts, `hub` passes them on, and `stream` sends them.

pub mod handlers;
pub mod hub;
pub mod model;
pub mod poller;
pub mod raise;
pub mod store;
pub mod stream;

pub use model::{Alert, AlertId, AlertKind};

/// Describes the metrics of this feature, and starts them at zero.
pub(crate) fn describe_metrics() {
    metrics::describe_gauge!("alert_streams_open", "Streams of alerts that are open in this process.");
    metrics::describe_counter!(
        "alerts_raised_total",
        "Alerts written, by kind. Those of a batch that is rolled back and tried again count twice."
    );
    metrics::describe_counter!(
        "product_look_ups_failed_total",
        "Requests to the catalog for a product that failed."
    );
    metrics::gauge!("alert_streams_open").set(0.0);
    raise::count("price_changed", 0);
    raise::count("product_removed", 0);
    metrics::counter!("product_look_ups_failed_total").increment(0);
}
