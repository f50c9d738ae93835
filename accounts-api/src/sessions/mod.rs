//! Sign-in: password for token, slowed down for those who guess.

pub mod handlers;
mod sign_in;

pub use sign_in::Sessions;

/// Says what the metrics of this module mean.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!("sign_ins_total", "Tries to sign in, by outcome.");
    for outcome in ["succeeded", "refused", "slowed_down"] {
        metrics::counter!("sign_ins_total", "outcome" => outcome).increment(0);
    }
}
