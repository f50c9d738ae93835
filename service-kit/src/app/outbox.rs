//! The operator's view of a service's outbox: also while no relay runs.

use actix_web::{get, web};
use event_bus::outbox::{self, LogStatus, Progress};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::auth::{Authorized, Ops};
use crate::problem::Problem;
use crate::retry::retried;

/// The figures of this service's outbox.
#[derive(Debug, Serialize, ToSchema)]
struct OutboxStatus {
    /// What waits, and the relays that publish it.
    log: LogStatus,
    /// How far the log has come.
    progress: Progress,
}

pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(outbox_status);
}

/// What of this service's changes is not published yet. A relay says the same of the log while one runs.
#[utoipa::path(tag = "outbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures", body = OutboxStatus),
))]
#[get("/api/v1/outbox/status")]
async fn outbox_status(
    _: Authorized<Ops>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<OutboxStatus>, Problem> {
    let status = retried(|| async {
        let mut connection = pool.acquire().await?;
        let log = outbox::status(&mut *connection).await?;
        let progress = outbox::progress(&mut *connection).await?;
        Ok::<_, sqlx::Error>(OutboxStatus { log, progress })
    });
    Ok(web::Json(status.await?))
}
