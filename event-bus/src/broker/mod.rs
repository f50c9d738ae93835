//! RabbitMQ. No other crate of the workspace names the client library.

mod connection;
mod dead_letters;
mod depth;
pub(crate) mod headers;
mod oversight;
mod publisher;
pub(crate) mod topology;

pub use connection::{BrokerError, BrokerSettings};
pub(crate) use connection::{Connected, deadline};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use depth::{Depths, Retry, depths};
pub use oversight::Oversight;
pub use publisher::{Confirm, PublishError, Publisher};
pub(crate) use topology::SubscriberTopology;
