//! What an operator sees of this service's inbox and queues, and does about its dead letters.
//!
//! The only requests that talk to the broker: nobody's cart waits for them.

pub mod handlers;
mod status;

pub use status::InboxStatus;
