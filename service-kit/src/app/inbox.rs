//! The operator's routes of a consumer: the figures of its inbox and queues, and its dead letters.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::{HttpResponse, get, post, web};
use event_bus::consumer::Receipts;
use event_bus::inbox::WaitingSummary;
use event_bus::rabbitmq::{
    DeadLetter, DeadLetterError, DeadLetters, Depths, Progress, PublishError, QueueAdmin, Selection,
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Subscription;
use crate::auth::{Authorized, Ops};
use crate::problem::{self, Json, Problem, Query};

/// The most dead letters that one answer has.
const LETTERS_LIMIT: usize = 100;

/// The most dead letters that one order replays or discards.
const BULK_LIMIT: u64 = 1_000;

/// The longest reason for discarding a dead letter, in characters.
const REASON_LIMIT: usize = 500;

/// Reads a figure from the service's database.
pub type ReadFigure = fn(PgPool) -> Pin<Box<dyn Future<Output = Result<i64, sqlx::Error>> + Send>>;

/// The figures that a service adds, by their names in JSON.
#[derive(Clone, Default)]
pub(super) struct Figures(pub(super) Vec<(&'static str, ReadFigure)>);

/// What the routes of this file share.
#[derive(Clone)]
pub(super) struct Inbox {
    subscription: Subscription,
    queue_admin: Arc<QueueAdmin>,
    figures: Figures,
}

pub(super) fn state(
    subscription: Subscription,
    queue_admin: QueueAdmin,
    figures: Figures,
) -> web::Data<Inbox> {
    web::Data::new(Inbox { subscription, queue_admin: Arc::new(queue_admin), figures })
}

impl Inbox {
    /// The consumer's name.
    pub(super) fn consumer(&self) -> &'static str {
        self.subscription.consumer
    }
}

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(inbox_status)
        .service(list_dead_letters)
        .service(replay_dead_letter)
        .service(discard_dead_letter)
        .service(replay_dead_letters)
        .service(discard_dead_letters);
}

/// The figures of this service's consumer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct InboxStatus {
    /// The consumer's name: of its inbox, and of its queues.
    consumer: &'static str,
    /// Whether events are arriving in this process, as far as is known.
    connected: bool,
    /// Messages that this process is handling: taken, and not acknowledged yet.
    in_hand: u64,
    /// What this process's deliveries were, since it started.
    receipts: Receipts,
    /// The queues; absent while the broker is unavailable.
    queues: Option<Depths>,
    /// What waits for another try; absent while the database is unavailable.
    waiting: Option<WaitingSummary>,
    /// Figures of this service's own; absent while the database is unavailable.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, i64>)]
    figures: BTreeMap<&'static str, Option<i64>>,
    /// Why something is absent, and why no events arrive.
    problems: Vec<String>,
}

/// The figures of this service's inbox and queues, and what came of its deliveries.
#[utoipa::path(tag = "inbox", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures, and what is not known", body = InboxStatus),
))]
#[get("/api/v1/inbox/status")]
async fn inbox_status(
    _: Authorized<Ops>,
    inbox: web::Data<Inbox>,
    pool: web::Data<PgPool>,
) -> web::Json<InboxStatus> {
    let figures = inbox.figures.0.iter().map(|(name, read)| {
        let figure = read(pool.as_ref().clone());
        async move { (*name, figure.await) }
    });
    let waiting = event_bus::inbox::summary(&pool, inbox.subscription.consumer);
    let (queues, figures, waiting) = tokio::join!(inbox.queue_admin.depths(), join_all(figures), waiting);
    let mut problems: Vec<String> = inbox.subscription.problem().into_iter().collect();
    let waiting = waiting.inspect_err(|error| {
        tracing::warn!(%error, "what waits cannot be read");
        problems.push("the database cannot be used now".to_owned());
    });
    let waiting = waiting.ok();
    let figures = figures.into_iter().map(|(name, figure)| {
        let figure = figure.inspect_err(|error| {
            tracing::warn!(%error, figure = name, "a figure of the inbox cannot be read");
            problems.push("the database cannot be used now".to_owned());
        });
        (name, figure.ok())
    });
    let figures = figures.collect();
    web::Json(InboxStatus {
        consumer: inbox.subscription.consumer,
        connected: inbox.subscription.is_connected(),
        in_hand: inbox.subscription.in_hand(),
        receipts: inbox.subscription.receipts(),
        waiting,
        queues: queues.map_err(|error| problems.push(format!("{:#}", anyhow::Error::new(error)))).ok(),
        figures,
        problems,
    })
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
    inbox: web::Data<Inbox>,
) -> Result<web::Json<DeadLetters>, Problem> {
    let limit = query.0.limit.unwrap_or(20);
    if !(1..=LETTERS_LIMIT).contains(&limit) {
        let detail = format!("limit must be between 1 and {LETTERS_LIMIT}");
        return Err(Problem::validation(detail.clone()).parameter("limit", detail));
    }
    inbox.queue_admin.dead_letters(limit).await.map(web::Json).map_err(|error| unavailable(&error))
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
    inbox: web::Data<Inbox>,
) -> Result<HttpResponse, Problem> {
    let letter = inbox
        .queue_admin
        .replay(&id)
        .await
        .map_err(|error| unfinished(&error))?
        .ok_or_else(|| unknown(&id))?;
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
    inbox: web::Data<Inbox>,
) -> Result<HttpResponse, Problem> {
    let why = reason_of(&body.value.reason)?;
    let letter = inbox
        .queue_admin
        .discard(&id)
        .await
        .map_err(|error| unfinished(&error))?
        .ok_or_else(|| unknown(&id))?;
    let by = &operator.identity.subject;
    tracing::warn!(letter = letter.id, reason = letter.reason, by, why, "threw a dead letter away");
    Ok(HttpResponse::Ok().json(letter))
}

/// Checks the reason that an operator gives.
pub(super) fn reason_of(text: &str) -> Result<&str, Problem> {
    let reason = text.trim();
    if !(1..=REASON_LIMIT).contains(&reason.chars().count()) || reason.contains('\0') {
        let detail = format!("a reason has 1 to {REASON_LIMIT} characters");
        return Err(Problem::validation(detail.clone()).at("#/reason", detail));
    }
    Ok(reason)
}

/// An order about many dead letters.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkBody {
    /// Which ones.
    which: Selection,
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
    (status = 200, description = "how far it has come", body = Progress),
    (status = 400, description = "an order that cannot be", body = problem::Body, content_type = problem::MEDIA_TYPE),
    (status = 415, description = "the body is not JSON", body = problem::Body, content_type = problem::MEDIA_TYPE),
))]
#[post("/api/v1/inbox/dead-letters/replay")]
async fn replay_dead_letters(
    operator: Authorized<Ops>,
    body: Json<BulkBody>,
    inbox: web::Data<Inbox>,
) -> Result<web::Json<Progress>, Problem> {
    let limit = body.value.limit()?;
    let BulkBody { which, dry_run, .. } = body.value;
    let shown = format!("{which:?}");
    let admin = &inbox.queue_admin;
    let progress = if dry_run { admin.count(which).await } else { admin.replay_all(which, limit).await };
    let progress = progress.map_err(|error| unfinished(&error))?;
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
    (status = 200, description = "how far it has come", body = Progress),
    (status = 400, description = "an order that cannot be", body = problem::Body, content_type = problem::MEDIA_TYPE),
    (status = 415, description = "the body is not JSON", body = problem::Body, content_type = problem::MEDIA_TYPE),
))]
#[post("/api/v1/inbox/dead-letters/discard")]
async fn discard_dead_letters(
    operator: Authorized<Ops>,
    body: Json<BulkBody>,
    inbox: web::Data<Inbox>,
) -> Result<web::Json<Progress>, Problem> {
    let limit = body.value.limit()?;
    let BulkBody { which, dry_run, why, .. } = body.value;
    let why = why.unwrap_or_default();
    if !dry_run && (!(1..=REASON_LIMIT).contains(&why.trim().chars().count()) || why.contains('\0')) {
        let detail = format!("why they are discarded: 1 to {REASON_LIMIT} characters");
        return Err(Problem::validation(detail.clone()).at("#/why", detail));
    }
    let shown = format!("{which:?}");
    let admin = &inbox.queue_admin;
    let progress = if dry_run { admin.count(which).await } else { admin.discard_all(which, limit).await };
    let progress = progress.map_err(|error| unfinished(&error))?;
    let by = &operator.identity.subject;
    tracing::warn!(done = progress.done, which = shown, by, why, dry_run, "threw dead letters away");
    Ok(web::Json(progress))
}

fn unavailable(error: &PublishError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "an operator's request failed");
    Problem::unavailable("the broker cannot be used now, try again", 1)
}

fn unfinished(error: &DeadLetterError) -> Problem {
    match error {
        DeadLetterError::Broker(error) => unavailable(error),
        error => Problem::unavailable(format!("{error}: try again, or replay or discard those before it"), 1),
    }
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no dead letter {id:?}, or somebody else is looking at it"))
}
