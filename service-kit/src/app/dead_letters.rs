//! The operator's routes of a consumer's dead letters: list, replay and discard them.

use actix_web::{HttpResponse, get, post, web};
use event_bus::rabbitmq::{
    DeadLetter, DeadLetterError, DeadLetterProgress, DeadLetterSelection, DeadLetters,
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::inbox::Inbox;
use crate::auth::{Authorized, Ops};
use crate::problem::{Json, Problem, Query};
use crate::reason::ReasonBody;
use crate::{page, reason};

/// The most dead letters that one answer has.
const LETTERS_LIMIT: usize = 100;

/// The most dead letters that one order replays or discards.
const BULK_LIMIT: u64 = 1_000;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_dead_letters)
        .service(replay_dead_letter)
        .service(discard_dead_letter)
        .service(replay_dead_letters)
        .service(discard_dead_letters);
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
    (status = 400, description = "a limit that cannot be"),
))]
#[get("/api/v1/inbox/dead-letters")]
async fn list_dead_letters(
    _: Authorized<Ops>,
    query: Query<LettersQuery>,
    inbox: web::Data<Inbox>,
) -> Result<web::Json<DeadLetters>, Problem> {
    let limit = page::limit(query.0.limit.unwrap_or(20), LETTERS_LIMIT)?;
    Ok(web::Json(inbox.queue_admin.dead_letters(limit).await?))
}

/// Puts a dead letter back into this service's queue, as if it were new; what the service has had already
/// has no second effect.
#[utoipa::path(tag = "inbox", params(("id" = String, Path, description = "as in the list")),
    security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the letter, which waits to be handled now", body = DeadLetter),
    (status = 404, description = "there is no such letter"),
))]
#[post("/api/v1/inbox/dead-letters/{id}/replay")]
async fn replay_dead_letter(
    operator: Authorized<Ops>,
    id: web::Path<String>,
    inbox: web::Data<Inbox>,
) -> Result<HttpResponse, Problem> {
    let letter = inbox.queue_admin.replay(&id).await?.ok_or_else(|| unknown(&id))?;
    let by = &operator.identity.subject;
    tracing::info!(letter = letter.id, reason = letter.reason, by, "put a dead letter back into its queue");
    Ok(HttpResponse::Ok().json(letter))
}

/// Throws a dead letter away. Who did so, and why, is in the service's log.
#[utoipa::path(tag = "inbox", params(("id" = String, Path, description = "as in the list")),
    request_body = ReasonBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the letter, as it was", body = DeadLetter),
    (status = 400, description = "no reason"),
    (status = 404, description = "there is no such letter"),
))]
#[post("/api/v1/inbox/dead-letters/{id}/discard")]
async fn discard_dead_letter(
    operator: Authorized<Ops>,
    id: web::Path<String>,
    body: Json<ReasonBody>,
    inbox: web::Data<Inbox>,
) -> Result<HttpResponse, Problem> {
    let why = body.value.reason()?;
    let letter = inbox.queue_admin.discard(&id).await?.ok_or_else(|| unknown(&id))?;
    let by = &operator.identity.subject;
    tracing::warn!(letter = letter.id, reason = letter.reason, by, why, "threw a dead letter away");
    Ok(HttpResponse::Ok().json(letter))
}

/// An order about many dead letters.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkBody {
    /// Which ones.
    which: DeadLetterSelection,
    /// How many at most; 1 to 1000, default 1000.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
    /// Why they are discarded, for whoever reads the log later; 1 to 500 characters. Not needed for a replay.
    why: Option<String>,
}

impl BulkBody {
    fn limit(&self) -> Result<u64, Problem> {
        if self.which.is_empty() {
            let detail = "say which: reason, eventType, key, or all";
            return Err(Problem::validation(detail).at("#/which", detail));
        }
        let limit = self.limit.unwrap_or(BULK_LIMIT);
        if (1..=BULK_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("limit must be between 1 and {BULK_LIMIT}");
        Err(Problem::validation(detail.clone()).at("#/limit", detail))
    }
}

/// Puts dead letters back into this service's queue: all, or those with a reason, of a type, about a key.
///
/// One call does what it can in a few seconds. While `more` is true there may be more of them: call again.
#[utoipa::path(tag = "inbox", request_body = BulkBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "how far it has come", body = DeadLetterProgress),
    (status = 400, description = "an order that cannot be"),
))]
#[post("/api/v1/inbox/dead-letters/replay")]
async fn replay_dead_letters(
    operator: Authorized<Ops>,
    body: Json<BulkBody>,
    inbox: web::Data<Inbox>,
) -> Result<web::Json<DeadLetterProgress>, Problem> {
    let limit = body.value.limit()?;
    let BulkBody { which, dry_run, .. } = body.value;
    let shown = format!("{which:?}");
    let admin = &inbox.queue_admin;
    let progress = if dry_run { admin.count(which).await? } else { admin.replay_all(which, limit).await? };
    let by = &operator.identity.subject;
    tracing::info!(
        done = progress.done,
        which = shown,
        by,
        dry_run,
        "put dead letters back into their queue"
    );
    Ok(web::Json(progress))
}

/// Throws dead letters away: all, or those with a reason, of a type, about a key. Who did so, and why, is in the
/// service's log.
///
/// One call does what it can in a few seconds. While `more` is true there may be more of them: call again.
#[utoipa::path(tag = "inbox", request_body = BulkBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "how far it has come", body = DeadLetterProgress),
    (status = 400, description = "an order that cannot be"),
))]
#[post("/api/v1/inbox/dead-letters/discard")]
async fn discard_dead_letters(
    operator: Authorized<Ops>,
    body: Json<BulkBody>,
    inbox: web::Data<Inbox>,
) -> Result<web::Json<DeadLetterProgress>, Problem> {
    let limit = body.value.limit()?;
    let BulkBody { which, dry_run, why, .. } = body.value;
    let why = if dry_run { "" } else { reason::of_body(why.as_deref(), "why")? };
    let shown = format!("{which:?}");
    let admin = &inbox.queue_admin;
    let progress = if dry_run { admin.count(which).await? } else { admin.discard_all(which, limit).await? };
    let by = &operator.identity.subject;
    tracing::warn!(done = progress.done, which = shown, by, why, dry_run, "threw dead letters away");
    Ok(web::Json(progress))
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        match error {
            DeadLetterError::Broker(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "an operator's request failed");
                Self::unavailable("the broker cannot be used now, try again", 1)
            }
            DeadLetterError::Unreceivable { .. } => Self::unavailable(error.to_string(), 60),
            error => {
                Self::unavailable(format!("{error}: try again, or replay or discard those before it"), 1)
            }
        }
    }
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no dead letter {id:?}, or somebody else is looking at it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_there_was_no_time_to_find_is_not_said_to_be_absent() {
        let problem = Problem::from(DeadLetterError::OutOfTime { looked_at: 7_000, count: 20_000 });
        assert_eq!(problem.status().as_u16(), 503);
        let detail = problem.reason().unwrap_or_default();
        assert!(detail.contains("first 7000 of 20000 dead letters"), "{detail}");
        assert_eq!(unknown("x").status().as_u16(), 404);
    }
}
