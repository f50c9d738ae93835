//! The streams that tell open pages what has changed.
//!
//! A stream carries the signal that something has changed, and an alert's sentence. The page then requests its live
//! parts again, as the server renders them. So the cart is rendered in one place.

mod alerts;
mod feed;
mod handlers;
mod hub;
mod stream;

pub(crate) use handlers::routes;
pub(crate) use hub::Hub;
pub(crate) use stream::{Signal, Signals, respond};
