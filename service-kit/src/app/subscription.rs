//! Whether the queue of a consumer has ever been bound.

use event_bus::consumer::ConsumerHealth;
use sqlx::PgPool;
use uuid::Uuid;

use crate::retry::retried;

/// The subscription of a service, as its requests need to know it.
///
/// An event that is published before the queue is bound for the very first time never reaches the queue.
/// What a service learned by other means before that could change unnoticed, so it must not be kept. Later
/// the queue collects events while the service or the broker is down.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub(super) consumer: &'static str,
    pub(super) health: ConsumerHealth,
    pool: PgPool,
}

impl Subscription {
    pub(super) fn new(consumer: &'static str, health: ConsumerHealth, pool: PgPool) -> Self {
        Self { consumer, health, pool }
    }

    /// Whether the queue has been bound, by this process or by one before it.
    pub async fn is_established(&self) -> Result<bool, sqlx::Error> {
        if self.health.has_subscribed() {
            return Ok(true);
        }
        retried(|| async { event_bus::inbox::was_subscribed(&self.pool, self.consumer).await }).await
    }

    /// Whether an event has had its effect here, or never will: one that is older than what is known has none.
    pub async fn has_applied(&self, event_id: Uuid) -> Result<bool, sqlx::Error> {
        retried(|| async {
            sqlx::query_scalar(
                "select exists (select from inbox where consumer = $1 and event_id = $2)
                    and not exists (select from inbox_waiting where consumer = $1 and event_id = $2)",
            )
            .bind(self.consumer)
            .bind(event_id)
            .fetch_one(&self.pool)
            .await
        })
        .await
    }
}
