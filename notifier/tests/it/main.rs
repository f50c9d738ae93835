//! notifier from outside: a database of its own for each test, and a real mailbox that takes mail over SMTP.
//!
//! Everything runs with the rights of the role `notifier_app`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod app;
mod contracts;
mod digests;
mod events;
mod faults;
mod killed;
mod mails;
mod operations;
mod tls;
