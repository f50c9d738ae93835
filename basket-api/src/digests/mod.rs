//! A buyer's alerts in one mail a day, if they want that.
//!
//! Who wants it has one scheduled event pending, of this service to itself. When it is due, what the buyer was told since
//! the last time and has not acknowledged goes into one event, which the notifier makes a mail of; and the next one is
//! scheduled. So a price change costs nothing more, however many want digests.

pub mod events;
pub mod handlers;
pub mod store;

pub use store::{erase, make};

use std::sync::Arc;

/// What the routes need beside the database.
#[derive(Clone)]
pub struct Digests {
    /// The seconds between two of a buyer's digests.
    pub every_s: i32,
    /// Wakes the relays.
    pub notify: Arc<dyn Fn() + Send + Sync>,
}
