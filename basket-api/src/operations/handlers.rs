//! The operator's routes, all under the scope `ops`.

use actix_web::{HttpResponse, get, post, web};
use event_bus::{
    consumer::ConsumerHealth,
    rabbitmq::{DeadLetter, DeadLetters, PublishError, QueueAdmin},
};
use serde::Deserialize;
use service_kit::{
    auth::{Authorized, Ops},
    problem::{self, Json, Problem, Query},
};
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;

use super::InboxStatus;

/// The most dead letters that one answer has.
const LETTERS_LIMIT: usize = 100;

/// The longest reason for throwing a dead letter away, in characters.
const REASON_LIMIT: usize = 500;

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(inbox_status)
        .service(list_dead_letters)
        .service(replay_dead_letter)
        .service(discard_dead_letter);
}

/// How this service's subscription stands: its inbox, its queues and what came of it.
#[utoipa::path(tag = "inbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures, and what is not known", body = InboxStatus),
))]
#[get("/api/v1/inbox/status")]
async fn inbox_status(
    _: Authorized<Ops>,
    health: web::Data<ConsumerHealth>,
    queue_admin: web::Data<QueueAdmin>,
    pool: web::Data<PgPool>,
) -> web::Json<InboxStatus> {
    web::Json(InboxStatus::ask(&health, &queue_admin, &pool).await)
}

/// How many dead letters to show.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct LettersQuery {
    /// 1 to 100; default 20.
    limit: Option<usize>,
}

/// The first dead letters of this service, with why each is one. They stay where they are.
///
/// While somebody looks at them through another process, that one has them and they are missing here.
#[utoipa::path(tag = "inbox", params(LettersQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the dead letters", body = DeadLetters),
    (status = 400, description = "a limit that cannot be", body = problem::Body, content_type = problem::MEDIA_TYPE),
))]
#[get("/api/v1/inbox/dead-letters")]
async fn list_dead_letters(
    _: Authorized<Ops>,
    query: Query<LettersQuery>,
    queue_admin: web::Data<QueueAdmin>,
) -> Result<web::Json<DeadLetters>, Problem> {
    let limit = query.0.limit.unwrap_or(20);
    if !(1..=LETTERS_LIMIT).contains(&limit) {
        let detail = format!("limit must be between 1 and {LETTERS_LIMIT}");
        return Err(Problem::validation(detail.clone()).parameter("limit", detail));
    }
    queue_admin.dead_letters(limit).await.map(web::Json).map_err(|error| away(&error))
}

/// Puts a dead letter back into this service's queue, as if it were new; what the service has had already
/// has no second effect.
#[utoipa::path(tag = "inbox", params(("id" = String, Path, description = "as in the list")),
    security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the letter, which waits to be handled now", body = DeadLetter),
    (status = 404, description = "there is no such letter", body = problem::Body, content_type = problem::MEDIA_TYPE),
))]
#[post("/api/v1/inbox/dead-letters/{id}/replay")]
async fn replay_dead_letter(
    operator: Authorized<Ops>,
    id: web::Path<String>,
    queue_admin: web::Data<QueueAdmin>,
) -> Result<HttpResponse, Problem> {
    let letter = queue_admin.replay(&id).await.map_err(|error| away(&error))?.ok_or_else(|| unknown(&id))?;
    let by = &operator.identity.subject;
    tracing::info!(letter = letter.id, reason = letter.reason, by, "put a dead letter back into its queue");
    Ok(HttpResponse::Ok().json(letter))
}

/// Why a dead letter is thrown away.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DiscardBody {
    /// For whoever reads the log later; 1 to 500 characters.
    reason: String,
}

/// Throws a dead letter away. Who did so, and why, is in the service's log.
#[utoipa::path(tag = "inbox", params(("id" = String, Path, description = "as in the list")),
    request_body = DiscardBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the letter, as it was", body = DeadLetter),
    (status = 400, description = "no reason", body = problem::Body, content_type = problem::MEDIA_TYPE),
    (status = 404, description = "there is no such letter", body = problem::Body, content_type = problem::MEDIA_TYPE),
    (status = 415, description = "the body is not JSON", body = problem::Body, content_type = problem::MEDIA_TYPE),
))]
#[post("/api/v1/inbox/dead-letters/{id}/discard")]
async fn discard_dead_letter(
    operator: Authorized<Ops>,
    id: web::Path<String>,
    body: Json<DiscardBody>,
    queue_admin: web::Data<QueueAdmin>,
) -> Result<HttpResponse, Problem> {
    let why = body.value.reason.trim();
    if !(1..=REASON_LIMIT).contains(&why.chars().count()) {
        let detail = format!("a reason has 1 to {REASON_LIMIT} characters");
        return Err(Problem::validation(detail.clone()).at("#/reason", detail));
    }
    let letter = queue_admin.discard(&id).await.map_err(|error| away(&error))?.ok_or_else(|| unknown(&id))?;
    let by = &operator.identity.subject;
    tracing::warn!(letter = letter.id, reason = letter.reason, by, why, "threw a dead letter away");
    Ok(HttpResponse::Ok().json(letter))
}

fn away(error: &PublishError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "an operator's request failed");
    Problem::unavailable("the broker cannot be used now, try again", 1)
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no dead letter {id:?}, or somebody else is looking at it"))
}
