//! RabbitMQ. No other crate of the workspace names the client library.

mod connection;
mod depth;
mod publisher;
pub(crate) mod topology;

pub use connection::{BrokerError, BrokerSettings};
pub(crate) use connection::{Connected, deadline};
pub use depth::{Depths, depths};
pub use publisher::{Confirm, Message, PublishError, Publisher};
pub(crate) use topology::SubscriberTopology;
