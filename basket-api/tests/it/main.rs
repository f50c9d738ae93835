//! basket-api from outside: real HTTP on a free port, a database of its own for each test, and, where a
//! test is about messages, a virtual host of its own on a real broker.
//!
//! Everything runs with the rights of the role `basket_app`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod access;
mod acknowledging;
mod alerts;
mod altered;
mod announced;
mod app;
mod bad_input;
mod baskets;
mod contracts;
mod cost;
mod digests;
mod events;
mod lists;
mod look_up;
mod operations;
mod ordered;
mod races;
mod restored;
mod schema;
mod sse;
mod streams;
mod waiting;
