//! Scheduled events: list and cancel them.

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};
use service_kit::{
    auth::{Authorized, Ops},
    page,
    problem::{Problem, Query},
};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::admin::{
    LIST_LIMIT, Sources,
    scheduled::{self, ScheduledEvents},
};

pub(super) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_scheduled).service(cancel_scheduled);
}

/// How many scheduled events to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ScheduledQuery {
    /// 1 to 1000; default 100.
    limit: Option<i64>,
}

/// The scheduled events of all databases, those that are due first.
#[utoipa::path(tag = "outbox", params(ScheduledQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the scheduled events", body = ScheduledEvents),
    (status = 400, description = "a limit that cannot be"),
))]
#[get("/api/v1/outbox/scheduled")]
async fn list_scheduled(
    _: Authorized<Ops>,
    query: Query<ScheduledQuery>,
    sources: web::Data<Sources>,
) -> Result<web::Json<ScheduledEvents>, Problem> {
    let limit = page::limit(query.0.limit.unwrap_or(100), LIST_LIMIT)?;
    Ok(web::Json(scheduled::list(&sources, limit).await?))
}

/// What was cancelled.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    /// The event, which is never announced.
    scheduled_id: Uuid,
}

/// Cancels a scheduled event: it is never announced.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "it is cancelled", body = Cancelled),
    (status = 400, description = "not an id"),
    (status = 404, description = "no such event is scheduled"),
))]
#[post("/api/v1/outbox/scheduled/{id}/cancel")]
async fn cancel_scheduled(
    operator: Authorized<Ops>,
    id: web::Path<Uuid>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Cancelled>, Problem> {
    let id = *id;
    if !scheduled::cancel(&sources, id).await? {
        let detail = format!("no event with the id {id} is scheduled: it was released, or cancelled before");
        return Err(Problem::not_found(detail));
    }
    let by = &operator.identity.subject;
    tracing::warn!(event.id = %id, by, "cancelled a scheduled event");
    Ok(web::Json(Cancelled { scheduled_id: id }))
}
