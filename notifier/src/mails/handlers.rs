//! The operator's routes of mails.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use service_kit::auth::{Authorized, Ops};
use service_kit::page::{Page, PageSize, Window};
use service_kit::problem::{Json, Problem, Query};
use service_kit::reason::ReasonBody;
use sqlx::PgPool;
use tokio::sync::Notify;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::read::{self, MailBody};
use super::{State, store};

/// The last page that is looked for.
const LAST_PAGE: u32 = 1_000_000;

/// What the routes need beside the database.
#[derive(Debug)]
pub struct Operations {
    /// After how many seconds a mail is overdue.
    pub overdue_seconds: u32,
    /// Wakes the worker.
    pub work: Arc<Notify>,
}

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(mails_status).service(list_mails).service(requeue_mail).service(discard_mail);
}

/// Which mails to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListQuery {
    /// The page, from 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    page_index: Option<u32>,
    /// 1 to 100; default 20.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    page_size: Option<PageSize>,
    /// Those in this state.
    #[param(inline)]
    state: Option<State>,
}

/// Lists mails. No address is shown, and not what they say.
#[utoipa::path(tag = "mails", params(ListQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the mails, newest first", body = Page<MailBody>),
    (status = 400, description = "a page or a state that cannot be"),
))]
#[get("/api/v1/mails")]
async fn list_mails(
    _: Authorized<Ops>,
    query: Query<ListQuery>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Page<MailBody>>, Problem> {
    let Query(ListQuery { page_index, page_size, state }) = query;
    if page_index.is_some_and(|index| index > LAST_PAGE) {
        let detail = format!("pageIndex must be between 0 and {LAST_PAGE}");
        return Err(Problem::validation(detail.clone()).parameter("pageIndex", detail));
    }
    let window = Window::new(page_index, page_size, 20);
    let (count, data) = read::list(&pool, state, window).await?;
    Ok(web::Json(window.page(count, data)))
}

/// Has a mail sent that has failed, or that waits for its next try. Its `Message-ID` stays the same.
#[utoipa::path(tag = "mails", params(("id" = Uuid, Path, description = "which mail")),
    security(("bearer" = ["ops"])), responses(
    (status = 202, description = "it will be sent"),
    (status = 400, description = "no id"),
    (status = 404, description = "no such mail"),
    (status = 409, description = "there is nothing to send"),
))]
#[post("/api/v1/mails/{id}/requeue")]
async fn requeue_mail(
    operator: Authorized<Ops>,
    id: web::Path<Uuid>,
    operations: web::Data<Operations>,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    if !store::requeue(&pool, *id).await? {
        return Err(refusal(&pool, *id, "this mail is sent, or cannot be: there is nothing to send").await?);
    }
    tracing::info!(mail = %id, by = operator.identity.subject, "an operator has a mail sent again");
    operations.work.notify_one();
    Ok(HttpResponse::Accepted().finish())
}

/// Gives up a mail that has failed: it is never sent. Who did so, and why, is kept with it.
#[utoipa::path(tag = "mails", params(("id" = Uuid, Path, description = "which mail")),
    request_body = ReasonBody, security(("bearer" = ["ops"])), responses(
    (status = 204, description = "it is discarded"),
    (status = 400, description = "no id, or no reason"),
    (status = 404, description = "no such mail"),
    (status = 409, description = "it has not failed"),
))]
#[post("/api/v1/mails/{id}/discard")]
async fn discard_mail(
    operator: Authorized<Ops>,
    id: web::Path<Uuid>,
    body: Json<ReasonBody>,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    let reason = body.value.reason()?;
    let by = operator.identity.subject.as_str();
    if !store::discard(&pool, *id, by, reason).await? {
        return Err(
            refusal(&pool, *id, "this mail has not failed: only one that has failed is discarded").await?
        );
    }
    tracing::warn!(mail = %id, by, "an operator has discarded a mail");
    Ok(HttpResponse::NoContent().finish())
}

/// Says why nothing was done about a mail: `conflict`, or there is none.
async fn refusal(pool: &PgPool, id: Uuid, conflict: &'static str) -> Result<Problem, sqlx::Error> {
    Ok(if read::exists(pool, id).await? {
        Problem::conflict(conflict)
    } else {
        Problem::not_found("there is no such mail")
    })
}

/// The mails by state, and what an operator should act on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MailsStatus {
    /// How many mails are in each state.
    #[schema(value_type = BTreeMap<String, i64>)]
    states: BTreeMap<State, i64>,
    /// How many should have been sent by now.
    overdue: i64,
    /// What an operator should act on.
    problems: Vec<String>,
}

/// Says how many mails are in each state, and what hangs.
#[utoipa::path(tag = "mails", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures, and what hangs", body = MailsStatus),
))]
#[get("/api/v1/mails/status")]
async fn mails_status(
    _: Authorized<Ops>,
    operations: web::Data<Operations>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<MailsStatus>, Problem> {
    let seconds = operations.overdue_seconds;
    let counts = read::counts(&pool, seconds).await?;
    let mut problems = Vec::new();
    for count in &counts {
        let last = count.problem.as_deref().unwrap_or("nothing is known of a try");
        if count.state == State::Failed {
            let mails = mails(count.count);
            problems.push(format!("{mails} refused: {last}; see /api/v1/mails?state=failed"));
        }
        if count.overdue > 0 {
            problems.push(format!("{} not sent for more than {seconds} s: {last}", mails(count.overdue)));
        }
    }
    let overdue = counts.iter().map(|count| count.overdue).sum();
    let states = counts.iter().map(|count| (count.state, count.count)).collect();
    Ok(web::Json(MailsStatus { states, overdue, problems }))
}

fn mails(count: i64) -> String {
    format!("{count} mail{}", if count == 1 { " is" } else { "s are" })
}
