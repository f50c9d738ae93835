//! What a service gets from the kit, seen from outside: real HTTP on a free port.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

mod answers;
mod auth;
mod database;
mod jwks;
mod limits;
mod service;
mod settings;
