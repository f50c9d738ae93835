//! The status of publishing as a whole.

use actix_web::{get, web};
use chrono::{DateTime, Datelike, Utc};
use event_bus::BrokerConfig;
use serde::Deserialize;
use service_kit::{
    auth::{Authorized, Ops},
    problem::{Problem, Query},
};
use tokio::sync::Mutex;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::admin::{
    SourceRelays, SourceStatus, Sources,
    audit::{self, Report},
    relays, status,
    subscribers::Subscriber,
};

/// When to ask again for an audit, in seconds.
const AUDIT_RETRY_AFTER: u32 = 5;

pub(super) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(outbox_status).service(outbox_relays).service(outbox_audit);
}

/// The status of publishing from each database.
#[utoipa::path(tag = "outbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures, or why there are none", body = Vec<SourceStatus>),
))]
#[get("/api/v1/outbox/status")]
async fn outbox_status(_: Authorized<Ops>, sources: web::Data<Sources>) -> web::Json<Vec<SourceStatus>> {
    web::Json(status(&sources, true).await)
}

/// The relays of each database, and the partitions that each owns.
#[utoipa::path(tag = "outbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the relays, or why there are none to see", body = Vec<SourceRelays>),
))]
#[get("/api/v1/outbox/relays")]
async fn outbox_relays(_: Authorized<Ops>, sources: web::Data<Sources>) -> web::Json<Vec<SourceRelays>> {
    web::Json(relays(&sources).await)
}

/// What to compare.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Only what was written at this time or later; default six days ago.
    from: Option<DateTime<Utc>>,
}

/// Compares what was published with what every configured subscriber has received.
///
/// One audit at a time runs in each process. For a log that is too long for one request, use
/// `outbox-relay audit`.
#[utoipa::path(tag = "outbox", params(AuditQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "what became of the events", body = Report),
    (status = 400, description = "not a time"),
    (status = 409, description = "no subscriber is configured"),
))]
#[get("/api/v1/outbox/audit")]
async fn outbox_audit(
    _: Authorized<Ops>,
    query: Query<AuditQuery>,
    sources: web::Data<Sources>,
    subscribers: web::Data<Vec<Subscriber>>,
    broker: web::Data<BrokerConfig>,
) -> Result<web::Json<Report>, Problem> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    if subscribers.is_empty() {
        return Err(Problem::conflict("no subscriber to compare with: set APP__CONSUMERS__<NAME>__URL"));
    }
    let from = query.0.from.unwrap_or_else(|| Utc::now() - audit::WINDOW);
    if !(1..=9999).contains(&from.year()) {
        let detail = "from must be a time of the years 1 to 9999";
        return Err(Problem::validation(detail).parameter("from", detail));
    }
    let Ok(_turn) = ONE_AT_A_TIME.try_lock() else {
        return Err(Problem::unavailable("another audit is running, try again", AUDIT_RETRY_AFTER));
    };
    let report = audit::audit(&sources, &subscribers, &broker, from).await.map_err(|error| {
        tracing::warn!(error = format!("{error:#}"), "an audit failed");
        Problem::unavailable("a database or the broker cannot be used now, try again", AUDIT_RETRY_AFTER)
    })?;
    Ok(web::Json(report))
}
