//! A repeated request has one effect and one answer.
//!
//! A client that does not know whether its request arrived sends it again with the same
//! `Idempotency-Key`. The first answer is kept for 24 hours, in the transaction of its effect.
//! Source: draft-ietf-httpapi-idempotency-key-header-07.

mod answer;
mod request;
mod store;

pub use answer::Answer;
pub use request::Request;
pub use store::{find, keep, remove_old};
