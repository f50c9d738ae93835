//! Payments: one for each order that is to be paid.
//!
//! `rules` decides without I/O. `store` has the SQL of what is asked for, `work` that of a worker, `read` that of the
//! operator's routes in `handlers`; `events` has what is announced.

pub mod events;
pub mod handlers;
pub mod model;
pub mod read;
pub mod rules;
pub mod store;
pub mod work;

pub use model::{Amount, Charge, Currency, OrderId, State, Token};

/// Describes the metrics of payments, and starts them at zero.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!("payments_total", "Outcomes of payments, by outcome.");
    metrics::describe_counter!(
        "payment_calls_total",
        "Calls to the payment provider, by what the answer told."
    );
    for outcome in ["succeeded", "failed", "cancelled", "refunded", "held"] {
        metrics::counter!("payments_total", "outcome" => outcome).increment(0);
    }
    for answer in ["charged", "refunded", "declined", "nothing"] {
        metrics::counter!("payment_calls_total", "answer" => answer).increment(0);
    }
}
