//! Tells buyers of changes of their orders, by server-sent events.

pub mod handlers;
pub mod hub;

/// The channel that is notified after changes were committed.
pub const CHANNEL: &str = "order_change";

/// The connections that streams read with.
#[derive(Debug, Clone)]
pub struct StreamPool(pub sqlx::PgPool);
