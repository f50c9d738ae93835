//! The whole suite: one price change, whatever is killed on its way; the pages; and who is kept out.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod arrows;
mod consumer_killed;
mod digest;
mod digest_killed;
mod documents;
mod metrics;
mod orders;
#[cfg(feature = "crash-points")]
mod orders_killed;
mod own_service;
mod pages;
mod price_change;
mod readme;
mod registration;
mod relay_killed;
mod security;
mod settings;
mod traces;
