//! The streams that tell open pages what has changed.
//!
//! A page does not get its new content over the stream, only word that it has changed; it then asks for its
//! live parts again, as the server renders them. So there is one place that knows how a cart looks.

mod event;
mod feed;
mod handlers;
mod hub;
mod reader;

pub use event::{Signal, Signals, respond};
pub use handlers::routes;
pub use hub::Hub;
