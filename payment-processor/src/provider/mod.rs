//! The payment provider's HTTP API.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /charges` | `{orderId, amount, currency, token}` | 200 or 201 `{status: "succeeded", chargeId, amount, currency}`, or 402 `{status: "declined", reason}` |
//! | `POST /charges/{chargeId}/refund` | none | 200 `{status: "refunded", chargeId, amount, currency}` |
//!
//! Both take an `Idempotency-Key`: the same key has one effect and the same answer. Every other answer, and none, tells
//! nothing: the provider may have done what it was asked for or not.

mod answer;
mod client;

pub use client::Provider;
