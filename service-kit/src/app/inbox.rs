//! The operator's routes of a consumer: the figures of its inbox and queues.

use std::collections::BTreeMap;
use std::pin::Pin;

use actix_web::{get, web};
use event_bus::consumer::Receipts;
use event_bus::inbox::WaitingSummary;
use event_bus::rabbitmq::{Depths, QueueAdmin};
use futures_util::future::join_all;
use serde::Serialize;
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Subscription, dead_letters, waiting};
use crate::auth::{Authorized, Ops};

/// Reads a figure from the service's database.
pub type ReadFigure = fn(PgPool) -> Pin<Box<dyn Future<Output = Result<i64, sqlx::Error>> + Send>>;

/// The figures that a service adds, by their names in JSON.
pub(super) type Figures = Vec<(&'static str, ReadFigure)>;

/// What the operator's routes of a consumer share.
pub(super) struct Inbox {
    pub(super) subscription: Subscription,
    pub(super) queue_admin: QueueAdmin,
    pub(super) figures: Figures,
}

/// Adds all routes of a consumer.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(inbox_status);
    dead_letters::routes(config);
    waiting::routes(config);
}

/// The figures of this service's consumer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct InboxStatus {
    /// The consumer's name: of its inbox, and of its queues.
    consumer: &'static str,
    /// Whether events are arriving in this process, as far as is known.
    connected: bool,
    /// Messages that this process is handling: taken, and not acknowledged yet.
    in_hand: u64,
    /// What this process's deliveries were, since it started.
    receipts: Receipts,
    /// The queues; absent while the broker is unavailable.
    queues: Option<Depths>,
    /// What waits for another try; absent while the database is unavailable.
    waiting: Option<WaitingSummary>,
    /// Figures of this service's own; absent while the database is unavailable.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, i64>)]
    figures: BTreeMap<&'static str, Option<i64>>,
    /// Why something is absent, and why no events arrive.
    problems: Vec<String>,
}

/// The figures of this service's inbox and queues, and what came of its deliveries.
#[utoipa::path(tag = "inbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures, and what is not known", body = InboxStatus),
))]
#[get("/api/v1/inbox/status")]
async fn inbox_status(
    _: Authorized<Ops>,
    inbox: web::Data<Inbox>,
    pool: web::Data<PgPool>,
) -> web::Json<InboxStatus> {
    let figures = inbox.figures.iter().map(|(name, read)| {
        let figure = read(pool.as_ref().clone());
        async move { (*name, figure.await) }
    });
    let (consumer, health) = (inbox.subscription.consumer, &inbox.subscription.health);
    let waiting = event_bus::inbox::summary(&pool, consumer);
    let (queues, figures, waiting) = tokio::join!(inbox.queue_admin.depths(), join_all(figures), waiting);
    let mut problems: Vec<String> = health.problem().into_iter().collect();
    let waiting = waiting.inspect_err(|error| {
        tracing::warn!(%error, "what waits cannot be read");
        problems.push("the database cannot be used now".to_owned());
    });
    let waiting = waiting.ok();
    let figures = figures.into_iter().map(|(name, figure)| {
        let figure = figure.inspect_err(|error| {
            tracing::warn!(%error, figure = name, "a figure of the inbox cannot be read");
            problems.push("the database cannot be used now".to_owned());
        });
        (name, figure.ok())
    });
    let figures = figures.collect();
    web::Json(InboxStatus {
        consumer,
        connected: health.is_connected(),
        in_hand: health.in_hand(),
        receipts: health.receipts(),
        waiting,
        queues: queues.map_err(|error| problems.push(format!("{:#}", anyhow::Error::new(error)))).ok(),
        figures,
        problems,
    })
}
