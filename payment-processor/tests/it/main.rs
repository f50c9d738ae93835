//! payment-processor from outside: a database of its own for each test, the real sandbox, and, where a test is about
//! odd answers, a provider that gives them.
//!
//! Everything runs with the rights of the role `payment_app`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod app;
mod cancelling;
mod charging;
mod contracts;
mod killed;
mod odd_answers;
mod operations;
mod provider;
mod rules;
