//! accounts-api from outside: real HTTP on a free port and a database of its own for each test, with the rights of the
//! role `accounts_app`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod access;
mod app;
mod bad_input;
mod contracts;
mod erasing;
mod guessing;
mod keys;
mod registering;
mod validating;
