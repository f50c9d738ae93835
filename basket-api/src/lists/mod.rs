//! The lists of products that a buyer keeps.
//!
//! What happens to a list is a domain event: other modules of this service hear of it in the same transaction, and this
//! module knows none of them.

mod events;
pub mod handlers;
pub mod model;
pub mod store;

pub use events::{ListEvent, Listen, Listeners};
pub use model::{List, ListId, ListName, ProductIds};
