//! Whether this service's queue has ever been bound.

use event_bus::consumer::ConsumerHealth;
use sqlx::PgPool;

use super::CONSUMER;

/// The subscription, as requests need to know it.
///
/// What is announced before the queue is bound for the very first time never reaches it. A product that was
/// looked up before that could change unnoticed, so nothing may be kept that early. Later a broker that is
/// away costs nothing but time: the queue waits there, and collects.
#[derive(Debug, Clone)]
pub struct Subscription {
    health: ConsumerHealth,
    pool: PgPool,
}

impl Subscription {
    /// The subscription of the subscriber that has this health.
    pub fn new(health: ConsumerHealth, pool: PgPool) -> Self {
        Self { health, pool }
    }

    /// Whether events are arriving, as far as one knows.
    pub fn is_connected(&self) -> bool {
        self.health.is_connected()
    }

    /// Whether the queue has been bound, by this process or by one before it.
    pub async fn is_established(&self) -> Result<bool, sqlx::Error> {
        if self.health.has_subscribed() {
            return Ok(true);
        }
        // The guard has rows once anything was received, and keeps them for ever.
        sqlx::query_scalar("select exists (select from inbox_version where consumer = $1)")
            .bind(CONSUMER)
            .fetch_one(&self.pool)
            .await
    }
}
