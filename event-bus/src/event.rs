//! What a producer announces.

use serde::Serialize;

/// Something that happened, as other services are told of it.
///
/// The serialised value becomes the message's `data`. Its type is also the routing key, so a change
/// that readers could not follow is a new type (`….v2`), never a new meaning of an old one.
pub trait Event: Serialize {
    /// The type on the wire, `<organisation>.<service>.<what_happened>.v<n>`; also the routing key.
    const TYPE: &'static str;

    /// What the event is about. Events of one key are published in the order of their commits.
    fn key(&self) -> String;

    /// The version that this change gave the key's aggregate: it rises with every event of the key.
    /// Consumers ignore an event that is older than what they have.
    fn version(&self) -> i64;
}
