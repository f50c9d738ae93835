#![cfg_attr(feature = "rabbitmq", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "rabbitmq"), doc = "Transactional outbox and idempotent inbox on PostgreSQL.")]
#![cfg_attr(not(feature = "relay"), allow(unreachable_pub, reason = "what is public for relays alone"))]

#[cfg(feature = "rabbitmq")]
pub mod consumer;
mod database;
#[doc(hidden)]
pub mod envelope;
#[cfg(feature = "rabbitmq")]
mod error;
mod event;
#[cfg(feature = "crash-points")]
#[doc(hidden)]
pub mod faults;
#[cfg(not(feature = "crash-points"))]
mod faults;
pub mod inbox;
mod migration;
pub mod outbox;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "relay")]
pub mod relay;
pub mod span;
mod trace;

#[cfg(feature = "rabbitmq")]
pub use consumer::{BatchHandler, HandleError, Handler, Received, Subscriber};
pub use database::{DatabaseErrorKind, is_outdated};
pub use event::Event;
pub use migration::Migration;
#[cfg(feature = "rabbitmq")]
pub use rabbitmq::BrokerConfig;
pub use trace::TraceContext;
