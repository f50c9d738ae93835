//! What a buyer is told about the products in their cart.
//!
//! `raise` writes alerts when events are applied, `store` reads and acknowledges them; `lookout` looks for
//! new ones on behalf of the buyers who listen, `hub` passes them on, and `stream` sends them.

pub mod handlers;
pub mod hub;
pub mod lookout;
pub mod model;
pub mod raise;
pub mod store;
pub mod stream;

pub use model::{Alert, AlertId, AlertKind};

/// The connections that streams read through: their own, so that readers do not stand in the way of requests.
#[derive(Debug, Clone)]
pub struct StreamPool(pub sqlx::PgPool);

/// Says what this feature's figures mean, and has them start at zero.
pub(crate) fn describe_metrics() {
    metrics::describe_gauge!("alert_streams_open", "Streams of alerts that are open in this process.");
    metrics::describe_counter!(
        "alerts_raised_total",
        "Alerts written, by kind; those of a batch that was rolled back and tried again count twice."
    );
    metrics::describe_counter!(
        "product_look_ups_failed_total",
        "Times that the catalog could not be asked for a product."
    );
    metrics::gauge!("alert_streams_open").set(0.0);
    raise::count("price_changed", 0);
    raise::count("product_removed", 0);
    metrics::counter!("product_look_ups_failed_total").increment(0);
}
