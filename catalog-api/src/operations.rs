//! How the announcing of this service's changes stands, for operators: also while no relay is there to say.

use actix_web::{get, web};
use event_bus::outbox::{self, LogStatus, Progress};
use serde::Serialize;
use service_kit::auth::{Authorized, Ops};
use service_kit::problem::Problem;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::Catalog;

/// How the announcing of this service's changes stands.
#[derive(Debug, Serialize, ToSchema)]
struct OutboxStatus {
    /// What waits, and who is there to publish it.
    log: LogStatus,
    /// How far the log has come.
    progress: Progress,
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(outbox_status);
}

/// What of this service's changes is not published yet. What a relay says of it as well, while there is one.
#[utoipa::path(tag = "outbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures", body = OutboxStatus),
))]
#[get("/api/v1/outbox/status")]
async fn outbox_status(
    _: Authorized<Ops>,
    catalog: web::Data<Catalog>,
) -> Result<web::Json<OutboxStatus>, Problem> {
    let mut connection = catalog.pool().acquire().await?;
    let log = outbox::status(&mut *connection).await?;
    let progress = outbox::progress(&mut *connection).await?;
    Ok(web::Json(OutboxStatus { log, progress }))
}
