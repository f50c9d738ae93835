//! An operator's decisions about one failed event.

use actix_web::{post, web};
use service_kit::{
    auth::{Authorized, Ops},
    problem::{Json, Problem},
    reason::ReasonBody,
};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::unknown;
use crate::admin::{Decided, Decision, Found, Sources, decide};

pub(super) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(requeue).service(skip);
}

/// Makes a failed event pending again.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the event as it is now", body = Found),
    (status = 400, description = "not an id"),
    (status = 404, description = "no log has it"),
    (status = 409, description = "the event has not failed"),
))]
#[post("/api/v1/outbox/events/{id}/requeue")]
async fn requeue(
    _: Authorized<Ops>,
    id: web::Path<Uuid>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Found>, Problem> {
    answer(*id, decide(&sources, *id, &Decision::Requeue).await?)
}

/// Skips a failed event, so that the later events of its key are published, and records who decided so.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), request_body = ReasonBody,
    security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the event as it is now", body = Found),
    (status = 400, description = "no reason"),
    (status = 404, description = "no log has it"),
    (status = 409, description = "the event has not failed"),
))]
#[post("/api/v1/outbox/events/{id}/skip")]
async fn skip(
    operator: Authorized<Ops>,
    id: web::Path<Uuid>,
    body: Json<ReasonBody>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Found>, Problem> {
    let decision = Decision::Skip { by: &operator.identity.subject, reason: body.value.reason()? };
    answer(*id, decide(&sources, *id, &decision).await?)
}

fn answer(id: Uuid, decided: Decided) -> Result<web::Json<Found>, Problem> {
    match decided {
        Decided::Done(found) => Ok(web::Json(*found)),
        Decided::NotFailed(found) => Err(Problem::conflict(format!(
            "the event is in state {}{}: only a failed event can be requeued or skipped",
            found.event.state,
            if found.event.skipped_at.is_some() { " and was skipped" } else { "" }
        ))),
        Decided::Unknown => Err(unknown(id)),
    }
}
