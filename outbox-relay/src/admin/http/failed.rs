//! An operator's decisions about many failed events.

use std::time::{Duration, Instant};

use actix_web::{post, web};
use serde::Deserialize;
use service_kit::{
    auth::{Authorized, Ops},
    problem::{Json, Problem},
    reason,
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{
        Decision, Sources,
        bulk::{self, Limit, Progress},
    },
    store::events::Failed,
};

/// The most events that one call decides about.
const LIMIT: u64 = 10_000;

/// How long one call goes on.
const TIME: Duration = Duration::from_secs(4);

pub(super) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(requeue_failed).service(skip_failed);
}

/// Which failed events are meant: those that fit all that is given.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FailedBody {
    /// Those of this type.
    r#type: Option<String>,
    /// Those of this key.
    key: Option<String>,
    /// All of them; needed where nothing else is given.
    #[serde(default)]
    all: bool,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
    /// To skip: why, in 1 to 500 characters. Not needed for a dry run.
    reason: Option<String>,
}

impl FailedBody {
    fn failed(&self) -> Result<Failed, Problem> {
        let is_narrow = self.r#type.is_some() || self.key.is_some();
        if is_narrow == self.all {
            let detail = "give a type or a key, or all: true";
            return Err(Problem::validation(detail).at("#/all", detail));
        }
        if [&self.r#type, &self.key].into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(Problem::validation("a type or key cannot hold the character NUL"));
        }
        Ok(Failed { id: None, event_type: self.r#type.clone(), key: self.key.clone() })
    }
}

/// Makes failed events pending again: all, or those of a type or key. With `dryRun` it only counts them.
///
/// One call does what it can in a few seconds. While `more` is true there may be more of them: call again.
#[utoipa::path(tag = "outbox", request_body = FailedBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "how far it has come", body = Progress),
    (status = 400, description = "nothing is selected"),
))]
#[post("/api/v1/outbox/failed/requeue")]
async fn requeue_failed(
    operator: Authorized<Ops>,
    body: Json<FailedBody>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Progress>, Problem> {
    decide(&sources, &body.value, &operator.identity.subject, &Decision::Requeue).await
}

/// Skips failed events: all, or those of a type or key. The log keeps who did so, and why. With `dryRun` it only
/// counts them.
///
/// One call does what it can in a few seconds. While `more` is true there may be more of them: call again.
#[utoipa::path(tag = "outbox", request_body = FailedBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "how far it has come", body = Progress),
    (status = 400, description = "nothing is selected, or no reason"),
))]
#[post("/api/v1/outbox/failed/skip")]
async fn skip_failed(
    operator: Authorized<Ops>,
    body: Json<FailedBody>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Progress>, Problem> {
    let (body, by) = (&body.value, operator.identity.subject.as_str());
    let reason = if body.dry_run { "" } else { reason::of_body(body.reason.as_deref(), "reason")? };
    decide(&sources, body, by, &Decision::Skip { by, reason }).await
}

async fn decide(
    sources: &Sources,
    body: &FailedBody,
    by: &str,
    decision: &Decision<'_>,
) -> Result<web::Json<Progress>, Problem> {
    let failed = body.failed()?;
    if body.dry_run {
        return Ok(web::Json(Progress::of(bulk::count(sources, &failed).await, false)));
    }
    let limit = Limit { events: LIMIT, until: Some(Instant::now() + TIME) };
    let progress = bulk::decide_all(sources, &failed, decision, &limit).await;
    if progress.changed > 0 {
        tracing::info!(?failed, changed = progress.changed, by, %decision, "decided about failed events");
    }
    Ok(web::Json(progress))
}
