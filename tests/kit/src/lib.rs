//! What the tests of several crates need. No released crate depends on it.
//!
//! Everything here panics with a sentence where a test cannot go on.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod broker;
mod process;
mod token;
mod wait;
mod wire;

pub use broker::{Probe, Seen, Vhost, vhost};
pub use process::Process;
pub use token::{expired_token, token};
pub use wait::eventually;
pub use wire::{Passed, Wire};

/// A setting of the test servers; `cargo shop test` sets them all.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo shop test`"))
}
