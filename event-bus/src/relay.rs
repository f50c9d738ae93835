//! What a relay needs and a service does not: rows of the log as messages, and a publisher with confirms.
//!
//! `outbox-relay` is the relay of this workspace. The feature `relay` turns this module on.

pub use crate::{
    envelope::{OutgoingEvent, WriteError},
    outbox::{headers::RowHeaders, notifier::CHANNEL},
    rabbitmq::{
        depths::{depths, unrouted},
        headers::left_out,
        publisher::{Confirm, Publisher},
        refusal::{Fault, Refusal},
    },
};

/// How many virtual partitions a log has. The database computes the partition of a key.
pub const PARTITIONS: i16 = 64;
