//! The operator's routes of the events that wait in the inbox: list the keys, requeue and skip.

use actix_web::{get, post, web};
use event_bus::inbox::operate::{self, WaitingKey, WaitingSelection};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::inbox::Inbox;
use crate::auth::{Authorized, Ops};
use crate::page::{Page, PageSize, Window};
use crate::problem::{Json, Problem, Query};
use crate::reason;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_waiting).service(requeue_waiting).service(skip_waiting);
}

/// Which keys to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListQuery {
    /// The page, from 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    page_index: Option<u32>,
    /// 1 to 100; default 20.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    page_size: Option<PageSize>,
    /// Those of this service.
    source: Option<String>,
    /// This key.
    key: Option<String>,
    /// Those whose first event is of this type.
    r#type: Option<String>,
    /// `true`: only those that wait for an operator.
    blocked: Option<bool>,
}

/// The keys that wait because an event of theirs failed, each with that event. Later events of the key are behind it.
#[utoipa::path(tag = "inbox", params(ListQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the keys, blocked ones first", body = Page<WaitingKey>),
    (status = 400, description = "a page that cannot be"),
))]
#[get("/api/v1/inbox/waiting")]
async fn list_waiting(
    _: Authorized<Ops>,
    query: Query<ListQuery>,
    inbox: web::Data<Inbox>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Page<WaitingKey>>, Problem> {
    let Query(ListQuery { page_index, page_size, source, key, r#type, blocked }) = query;
    let window = Window::new(page_index, page_size, 20);
    let blocked_only = blocked.unwrap_or_default();
    let selection =
        WaitingSelection { all: true, source, key, event_type: r#type, event_id: None, blocked_only };
    let consumer = inbox.subscription.consumer;
    let count = operate::count(&pool, consumer, &selection).await?;
    let data = operate::list(&pool, consumer, &selection, window.offset(), window.limit()).await?;
    Ok(web::Json(window.page(count, data)))
}

/// Which keys are meant: those that fit all that is given.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SelectionBody {
    /// Those of this service.
    source: Option<String>,
    /// This key.
    key: Option<String>,
    /// Those whose first event is of this type.
    r#type: Option<String>,
    /// The key whose first event is this one.
    event_id: Option<Uuid>,
    /// All keys; needed where nothing else is given.
    #[serde(default)]
    all: bool,
    /// Those that wait for an operator, and not those that are tried again by themselves.
    #[serde(default)]
    blocked: bool,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
    /// To skip: why, in 1 to 500 characters. Not needed for a dry run.
    reason: Option<String>,
}

impl SelectionBody {
    fn selection(&self) -> Result<WaitingSelection, Problem> {
        let Self { source, key, r#type, event_id, .. } = self;
        let is_narrow = source.is_some() || key.is_some() || r#type.is_some() || event_id.is_some();
        if is_narrow == self.all {
            let detail = "give a key, type, source or eventId, or all: true";
            return Err(Problem::validation(detail).at("#/all", detail));
        }
        Ok(WaitingSelection {
            all: self.all,
            source: source.clone(),
            key: key.clone(),
            event_type: r#type.clone(),
            event_id: *event_id,
            blocked_only: self.blocked,
        })
    }
}

/// What was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Done {
    /// How many keys it was done to, or would be.
    count: u64,
    /// Whether nothing was done.
    dry_run: bool,
}

/// Has keys tried again at once, with all their tries before them. With `dryRun` it only counts them.
#[utoipa::path(tag = "inbox", request_body = SelectionBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "how many keys", body = Done),
    (status = 400, description = "nothing is selected"),
    (status = 404, description = "no such key waits"),
))]
#[post("/api/v1/inbox/waiting/requeue")]
async fn requeue_waiting(
    operator: Authorized<Ops>,
    body: Json<SelectionBody>,
    inbox: web::Data<Inbox>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Done>, Problem> {
    let (body, consumer) = (body.value, inbox.subscription.consumer);
    let selection = body.selection()?;
    if body.dry_run {
        return done(counted(&pool, consumer, &selection).await?, &body);
    }
    let count = operate::requeue(&pool, consumer, &selection).await?;
    if count > 0 {
        let by = &operator.identity.subject;
        tracing::info!(consumer, ?selection, count, by, "requeued keys that waited");
    }
    done(count, &body)
}

/// Gives up the first event of each selected key: it never has an effect, and the next event of the key is tried. Who
/// did so, and why, is kept in the inbox. With `dryRun` it only counts.
#[utoipa::path(tag = "inbox", request_body = SelectionBody, security(("bearer" = ["ops"])), responses(
    (status = 200, description = "how many events", body = Done),
    (status = 400, description = "nothing is selected, or no reason"),
    (status = 404, description = "no such key waits"),
))]
#[post("/api/v1/inbox/waiting/skip")]
async fn skip_waiting(
    operator: Authorized<Ops>,
    body: Json<SelectionBody>,
    inbox: web::Data<Inbox>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Done>, Problem> {
    let (body, consumer) = (body.value, inbox.subscription.consumer);
    let selection = body.selection()?;
    if body.dry_run {
        return done(counted(&pool, consumer, &selection).await?, &body);
    }
    let reason = reason::of_body(body.reason.as_deref(), "reason")?;
    let by = operator.identity.subject.as_str();
    let mut connection = pool.acquire().await?;
    let skipped = operate::skip(&mut connection, consumer, &selection, by, reason).await?;
    for event in &skipped {
        tracing::warn!(consumer, event.id = %event, by, reason, "skipped an event that waited");
    }
    done(skipped.len() as u64, &body)
}

async fn counted(pool: &PgPool, consumer: &str, selection: &WaitingSelection) -> Result<u64, Problem> {
    Ok(u64::try_from(operate::count(pool, consumer, selection).await?).unwrap_or_default())
}

fn done(count: u64, body: &SelectionBody) -> Result<web::Json<Done>, Problem> {
    if count == 0 && !body.all && !body.dry_run {
        return Err(Problem::not_found("no such key waits: it may have had its effect meanwhile"));
    }
    Ok(web::Json(Done { count, dry_run: body.dry_run }))
}
