//! The harness as tests use it. No released crate depends on it.
//!
//! Everything here panics with a sentence where a test cannot go on.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod broker;
pub mod catalog;
pub mod collector;
mod process;
mod running;
mod token;
mod user;

pub use broker::{Recorder, Vhost, vhost};
pub use harness::{
    Message, beside_this_program, eventually,
    proxy::{Mode, Passed, Protocol, Proxy},
};
pub use process::{Process, Signal};
pub use running::{Running, app_url};
pub use token::{expired_token, signed_token, token};
pub use user::User;

/// A proxy in front of a PostgreSQL that records statements. Connections must not be encrypted.
///
/// # Panics
/// Without a free port.
pub async fn recording(host: &str, port: u16) -> Proxy {
    Proxy::recording(host, port).await.unwrap()
}

/// A setting of the test servers; `cargo shop test` sets them all.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo shop test`"))
}
