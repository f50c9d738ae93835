//! Events: a list, and the timeline of one.

use actix_web::{get, web};
use serde::Deserialize;
use service_kit::{
    auth::{Authorized, Ops},
    page,
    problem::{Problem, Query},
};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::unknown;
use crate::{
    admin::{Found, LIST_LIMIT, ListError, Sources, list, subscribers::Subscriber, timeline::Timeline},
    store::events::{Filter, State},
};

pub(super) fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(events).service(event);
}

/// Which events to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// `NotPublished`, `Published` or `PublishedFailed`.
    state: Option<State>,
    /// The event's type.
    r#type: Option<String>,
    /// What the events are about.
    key: Option<String>,
    /// Only events older than the one with this id: where the page before ended.
    before: Option<Uuid>,
    /// How many, at most; 1 to 1000, default 100.
    limit: Option<i64>,
}

/// The newest events that match, newest first: by their position in the log.
#[utoipa::path(tag = "outbox", params(EventsQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the events", body = Vec<Found>),
    (status = 400, description = "an invalid filter"),
))]
#[get("/api/v1/outbox/events")]
async fn events(
    _: Authorized<Ops>,
    query: Query<EventsQuery>,
    sources: web::Data<Sources>,
) -> Result<web::Json<Vec<Found>>, Problem> {
    let Query(EventsQuery { state, r#type: event_type, key, before, limit }) = query;
    let limit = page::limit(limit.unwrap_or(100), LIST_LIMIT)?;
    let filter = Filter { state, event_type, key };
    let listed = list(&sources, &filter, before, limit).await.map_err(|error| match error {
        ListError::NoSuchEvent(_) => {
            Problem::validation(error.to_string()).parameter("before", error.to_string())
        }
        ListError::Store(error) => error.into(),
    });
    Ok(web::Json(listed?))
}

/// One event's timeline: its row of the log, and its entry in the inbox of each configured subscriber.
#[utoipa::path(tag = "outbox", params(("id" = Uuid, Path)), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the event", body = Timeline),
    (status = 400, description = "not an id"),
    (status = 404, description = "no log has it"),
))]
#[get("/api/v1/outbox/events/{id}")]
async fn event(
    _: Authorized<Ops>,
    id: web::Path<Uuid>,
    sources: web::Data<Sources>,
    subscribers: web::Data<Vec<Subscriber>>,
) -> Result<web::Json<Timeline>, Problem> {
    Timeline::of(*id, &sources, &subscribers).await?.map(web::Json).ok_or_else(|| unknown(*id))
}
