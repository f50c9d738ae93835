//! Mails: one for each event that asks for one.
//!
//! `content` says what a mail says, `message` makes the mail of it. `store` has the SQL of the events and of the worker,
//! `read` that of the operator's routes in `handlers`.

pub mod content;
pub mod handlers;
pub mod message;
pub mod read;
pub mod store;

pub use content::{Change, Content};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What has become of a mail.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum State {
    /// It is to be sent.
    Waiting,
    /// The server has it. Its address and its words are no longer kept here.
    Sent,
    /// The server does not take it.
    Failed,
    /// It has failed, and an operator has given it up. Its address and its words are no longer kept here.
    Discarded,
    /// No address of its user is known; it is sent if one comes.
    Unaddressed,
    /// Its user is gone.
    Erased,
}

/// Describes the metrics of mails, and starts them at zero.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!("mails_total", "Outcomes of mails, by outcome.");
    metrics::describe_counter!("mail_tries_total", "Tries to send a mail, by what the server answered.");
    for outcome in ["sent", "failed"] {
        metrics::counter!("mails_total", "outcome" => outcome).increment(0);
    }
    for answer in ["sent", "refused", "not_now", "unknown"] {
        metrics::counter!("mail_tries_total", "answer" => answer).increment(0);
    }
}
