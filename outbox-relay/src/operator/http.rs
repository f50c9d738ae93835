//! The operator's routes, all under the scope `ops`.

use actix_web::{get, post, web};
use event_bus::outbox::log::Filter;
use serde::Deserialize;
use service_kit::{
    auth::{Authorized, Scope},
    problem::{Json, Problem, Query},
};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::{Decided, Decision, Found, LIST_LIMIT, SourceStatus, Sources, decide};
use crate::relay::Trouble;

/// The longest reason for skipping an event, in characters.
const REASON_LIMIT: usize = 500;

/// The scope of operators.
pub(crate) struct Ops;

impl Scope for Ops {
    const NAME: &'static str = "ops";
}

/// Adds the operator's routes.
pub(crate) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(status).service(events).service(event).service(requeue).service(skip);
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        tracing::warn!(%trouble, "an operator's request failed");
        Self::unavailable("a database cannot be used now, try again", 1)
    }
}

/// How publishing stands, for each database.
#[utoipa::path(tag = "outbox", security(("bearer" = ["ops"])), responses((status = 200, body = Vec<SourceStatus>)))]
#[get("/api/v1/outbox/status")]
async fn status(_: Authorized<Ops>, sources: web::Data<Sources>) -> web::Json<Vec<SourceStatus>> {
    web::Json(super::status(&sources, true).await)
}

/// Which events to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// `NotPublished`, `Published` or `PublishedFailed`.
    state: Option<String>,
    /// The event's type.
    r#type: Option<String>,
    /// What the events are about.
    key: Option<String>,
    /// How many, at most; 1 to 1000, default 100.
    limit: Option<i64>,
}

/// The newest events that match.
#[utoipa::path(tag = "outbox", params(EventsQuery), security(("bearer" = ["ops"])),
    responses((status = 200, body = Vec<Object>), (status = 400)))]
#[get("/api/v1/outbox/events")]
async fn events(
    _: Authorized<Ops>,
    query: Query<EventsQuery>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Vec<Found>>, Problem> {
    let Query(EventsQuery { state, r#type: event_type, key, limit }) = query;
    let limit = limit.unwrap_or(100);
    if !(1..=LIST_LIMIT).contains(&limit) {
        let detail = format!("limit must be between 1 and {LIST_LIMIT}");
        return Err(Problem::validation(detail.clone()).parameter("limit", detail));
    }
    let filter = Filter { state, event_type, key };
    if [&filter.state, &filter.event_type, &filter.key].into_iter().flatten().any(|text| text.contains('\0'))
    {
        return Err(Problem::validation("a filter cannot hold the character NUL"));
    }
    Ok(web::Json(super::list(&sources, &filter, limit).await?))
}

/// One event.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), security(("bearer" = ["ops"])),
    responses((status = 200, body = Object), (status = 400), (status = 404)))]
#[get("/api/v1/outbox/events/{id}")]
async fn event(
    _: Authorized<Ops>,
    id: web::Path<Uuid>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Found>, Problem> {
    super::find(&sources, *id).await?.map(web::Json).ok_or_else(|| unknown(*id))
}

/// Puts an event that could not be published back in line.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), security(("bearer" = ["ops"])),
    responses((status = 200, body = Object), (status = 404), (status = 409)))]
#[post("/api/v1/outbox/events/{id}/requeue")]
async fn requeue(
    _: Authorized<Ops>,
    id: web::Path<Uuid>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Found>, Problem> {
    answer(*id, decide(&sources, *id, &Decision::Requeue).await?)
}

/// Why an event is skipped.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SkipBody {
    /// For whoever reads the log later; 1 to 500 characters.
    reason: String,
}

/// Lets the later events of a key pass one that could not be published, and records who decided so.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), request_body = SkipBody,
    security(("bearer" = ["ops"])),
    responses((status = 200, body = Object), (status = 400), (status = 404), (status = 409)))]
#[post("/api/v1/outbox/events/{id}/skip")]
async fn skip(
    operator: Authorized<Ops>,
    id: web::Path<Uuid>,
    body: Json<SkipBody>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Found>, Problem> {
    let reason = body.value.reason.trim();
    if !(1..=REASON_LIMIT).contains(&reason.chars().count()) {
        let detail = format!("a reason has 1 to {REASON_LIMIT} characters");
        return Err(Problem::validation(detail.clone()).at("#/reason", detail));
    }
    let decision = Decision::Skip { by: &operator.identity.subject, reason };
    answer(*id, decide(&sources, *id, &decision).await?)
}

fn answer(id: Uuid, decided: Decided) -> Result<web::Json<Found>, Problem> {
    match decided {
        Decided::Done(found) => Ok(web::Json(*found)),
        Decided::NotFailed(found) => Err(Problem::conflict(format!(
            "the event is in state {}{}: only one that could not be published waits for a decision",
            found.event.state,
            if found.event.skipped_at.is_some() { " and was skipped" } else { "" }
        ))),
        Decided::Unknown => Err(unknown(id)),
    }
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("no log of this relay has the event {id}"))
}
