//! ordering-api from outside: real HTTP on a free port and a database of its own for each test, with the rights of the
//! role `ordering_app`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod app;
mod bad_input;
mod checkout;
mod contracts;
mod cost;
mod look_up;
mod process;
mod reading;
mod stream;
