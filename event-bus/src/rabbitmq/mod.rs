//! RabbitMQ: publishing with confirms, the topology, and the administration of a subscriber's queues.
//!
//! No other module of the crate, and no other crate of the workspace, publishes or consumes with the AMQP client
//! library.

mod ask;
mod config;
mod connection;
mod dead_letters;
#[cfg_attr(not(feature = "relay"), allow(dead_code, reason = "for a relay"))]
pub(crate) mod depths;
mod dial;
mod fit;
mod greeting;
pub(crate) mod headers;
#[cfg_attr(not(feature = "relay"), allow(dead_code, reason = "for a relay"))]
pub(crate) mod publisher;
mod queue_admin;
#[cfg_attr(not(feature = "relay"), allow(dead_code, reason = "for a relay"))]
pub(crate) mod refusal;
pub(crate) mod topology;
mod uri;

pub use config::{BrokerConfig, InvalidBrokerConfig};
pub use connection::BrokerError;
pub(crate) use connection::{Connected, deadline};
pub use dead_letters::{DeadLetter, DeadLetterError, DeadLetterProgress, DeadLetterSelection, DeadLetters};
pub use depths::Depths;
pub use publisher::PublishError;
pub use queue_admin::QueueAdmin;
pub(crate) use topology::SubscriberTopology;
