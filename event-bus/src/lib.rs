//! Transactional outbox and idempotent inbox on PostgreSQL and RabbitMQ.
//!
//! A service that changes its database and then sends a message can crash in between. This crate makes both one
//! step: the event is a row in the same transaction as the change, a relay publishes it, and each consumer applies
//! it once.
//!
//! # The guarantee
//!
//! - A committed event is published, and an uncommitted one never is, whichever process is killed.
//! - Delivery is at least once. The effect is exactly once: the inbox row is written in the effect's transaction.
//! - The events of one key are published in the order of their commits, and have their effects in that order, through
//!   failures. Where a handler keeps only the newest fact it says so.
//!
//! # Where to start
//!
//! | task | type | example |
//! |---|---|---|
//! | declare an event | [`Event`] | [`outbox`] |
//! | publish an event with a change | [`outbox::append`] | [`outbox`] |
//! | react to an event | [`Handler`], or [`BatchHandler`] for many events in one statement | [`consumer`] |
//! | run the handlers | [`Subscriber`] | [`consumer`] |
//! | connect to the broker | [`BrokerConfig`] | [`consumer`] |
//! | create the tables | [`outbox::MIGRATIONS`], [`inbox::MIGRATIONS`] | [`outbox`] |
//! | inspect and replay dead letters | [`rabbitmq::QueueAdmin`] | [`rabbitmq::QueueAdmin`] |
//!
//! The `outbox-relay` binary publishes the rows that [`outbox::append`] writes. A service talks to the database only,
//! and answers its requests while the broker is down.
//!
//! # Features
//!
//! - `rabbitmq` (default): [`consumer`] and [`rabbitmq`]. Without it [`outbox`], [`inbox`] and [`envelope`] remain, and
//!   the AMQP client library is not compiled.
//! - `openapi`: `utoipa` schemas for the figures that operators see.

#[cfg(feature = "rabbitmq")]
pub mod consumer;
mod database;
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
mod trace;

#[cfg(feature = "rabbitmq")]
pub use consumer::{BatchHandler, HandleError, Handler, Received, Subscriber};
pub use database::{DatabaseErrorKind, is_outdated};
pub use event::Event;
pub use migration::Migration;
#[cfg(feature = "rabbitmq")]
pub use rabbitmq::BrokerConfig;
pub use trace::TraceContext;
