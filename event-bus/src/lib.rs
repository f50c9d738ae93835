//! Transactional outbox and idempotent inbox on PostgreSQL and RabbitMQ.
//!
//! **A producer** writes a change and its announcement in one transaction with [`outbox::append`]. A
//! relay (the `outbox-relay` binary, or anything that uses [`outbox::log`] and [`broker::Publisher`])
//! publishes the pending rows in the order of their commits per key, and marks them once the broker
//! has confirmed them.
//!
//! **A consumer** builds a [`Subscriber`] with one [`Handler`] for each type of event. Delivery is at
//! least once; the effect is exactly once, because the inbox row is written in the effect's
//! transaction; and the newest version of a key wins, because older ones are ignored.
//!
//! Both bring their own database: [`outbox::SCHEMA`] and [`inbox::SCHEMA`] are its tables.

pub mod broker;
pub mod consumer;
pub mod crash;
pub mod envelope;
mod event;
pub mod inbox;
pub mod outbox;
mod trace;

pub use broker::BrokerSettings;
pub use consumer::{HandleError, Handler, Received, Subscriber};
pub use event::Event;
pub use trace::TraceContext;
