//! The figures of the inbox, from three places of which each may be away.

use event_bus::{
    consumer::{ConsumerHealth, Receipts},
    rabbitmq::{Depths, QueueAdmin},
};
use serde::Serialize;
use sqlx::PgPool;

use crate::subscriptions::CONSUMER;

/// How this service's subscription stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxStatus {
    /// The subscriber's name: of its inbox, and of its queues.
    pub consumer: &'static str,
    /// Whether events are arriving in this process, as far as one knows.
    pub connected: bool,
    /// Messages that this process is handling: taken, and not acknowledged yet.
    pub in_hand: u64,
    /// What this process's deliveries were, since it started.
    pub receipts: Receipts,
    /// The queues; absent while the broker is away.
    pub queues: Option<Depths>,
    /// Alerts written ever, by all processes; a little more where one was written again. Absent while the
    /// database is away.
    pub alerts_raised: Option<i64>,
    /// Why something is absent.
    pub problems: Vec<String>,
}

impl InboxStatus {
    /// Asks all three, side by side.
    pub async fn ask(health: &ConsumerHealth, queue_admin: &QueueAdmin, pool: &PgPool) -> Self {
        let (queues, alerts) = tokio::join!(queue_admin.depths(), alerts_raised(pool));
        let mut problems = Vec::new();
        let alerts = alerts.map_err(|error| {
            tracing::warn!(%error, "the alerts cannot be counted");
            "the database cannot be used now".to_owned()
        });
        Self {
            consumer: CONSUMER,
            connected: health.is_connected(),
            in_hand: health.in_hand(),
            receipts: health.receipts(),
            queues: queues.map_err(|error| problems.push(format!("{:#}", anyhow::Error::new(error)))).ok(),
            alerts_raised: alerts.map_err(|problem| problems.push(problem)).ok(),
            problems,
        }
    }
}

/// How far the alerts' numbers have come. Counting rows would read all of them.
async fn alerts_raised(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select case when is_called then last_value else 0 end from alert_alert_id_seq")
        .fetch_one(pool)
        .await
}
