//! One price change, from the catalog to the cart, whatever is killed on its way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod catalog_killed;
mod consumer_killed;
mod own_service;
mod pages;
mod price_change;
mod readme;
mod relay_killed;
