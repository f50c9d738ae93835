//! What the catalog promises, seen from outside: real HTTP on a free port, a real database per test,
//! with the rights of the service's own role.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

mod altered;
mod announcing;
mod app;
mod auth;
mod bad_input;
mod concurrency;
mod contracts;
mod cost;
#[cfg(feature = "crash-points")]
mod crashing;
mod idempotency;
mod operations;
mod outage;
mod pictures;
mod program;
mod reading;
mod reservations;
mod roles;
mod seeding;
mod stock;
mod writing;
