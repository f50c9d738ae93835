//! The operator's routes of payments.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use service_kit::auth::{Authorized, Ops};
use service_kit::page::{Page, PageSize, Window};
use service_kit::problem::{Problem, Query};
use sqlx::PgPool;
use tokio::sync::Notify;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::read::{self, Filter, PaymentBody};
use super::{OrderId, State, work};
use crate::settings::WorkerSettings;

/// What the routes need beside the database.
#[derive(Debug)]
pub struct Operations {
    /// The worker's settings.
    pub settings: WorkerSettings,
    /// Wakes the worker.
    pub work: Arc<Notify>,
}

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(payments_status).service(list_payments).service(get_payment).service(ask_now);
}

/// Which payments to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListQuery {
    /// The page, from 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    page_index: Option<u32>,
    /// 1 to 100; default 20.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    page_size: Option<PageSize>,
    /// Those in this state.
    #[param(inline)]
    state: Option<State>,
    /// The one of this order.
    #[param(inline)]
    order_id: Option<OrderId>,
}

/// Lists payments.
#[utoipa::path(tag = "payments", params(ListQuery), security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the payments, newest first", body = Page<PaymentBody>),
    (status = 400, description = "a page or a state that cannot be"),
))]
#[get("/api/v1/payments")]
async fn list_payments(
    _: Authorized<Ops>,
    query: Query<ListQuery>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<Page<PaymentBody>>, Problem> {
    let Query(ListQuery { page_index, page_size, state, order_id }) = query;
    let window = Window::new(page_index, page_size, 20);
    let (count, data) = read::list(&pool, &Filter { state, order_id }, window).await?;
    Ok(web::Json(window.page(count, data)))
}

/// Gets a payment.
#[utoipa::path(tag = "payments", params(("id" = Uuid, Path, description = "which payment")),
    security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the payment", body = PaymentBody),
    (status = 400, description = "no id"),
    (status = 404, description = "no such payment"),
))]
#[get("/api/v1/payments/{id}")]
async fn get_payment(
    _: Authorized<Ops>,
    id: web::Path<Uuid>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<PaymentBody>, Problem> {
    let payment = read::find(&pool, *id).await?;
    payment.map(web::Json).ok_or_else(|| Problem::not_found("there is no such payment"))
}

/// Has the provider asked at once: for a payment that is held, or that waits for its next try. The key stays the same,
/// so nothing is charged twice.
#[utoipa::path(tag = "payments", params(("id" = Uuid, Path, description = "which payment")),
    security(("bearer" = ["ops"])), responses(
    (status = 202, description = "it will be asked"),
    (status = 400, description = "no id"),
    (status = 404, description = "no such payment"),
    (status = 409, description = "its outcome is known"),
))]
#[post("/api/v1/payments/{id}/retry")]
async fn ask_now(
    operator: Authorized<Ops>,
    id: web::Path<Uuid>,
    operations: web::Data<Operations>,
    pool: web::Data<PgPool>,
) -> Result<HttpResponse, Problem> {
    if !work::ask_now(&pool, *id).await? {
        return Err(match read::find(&pool, *id).await? {
            Some(_) => Problem::conflict("the outcome of this payment is known: there is nothing to ask"),
            None => Problem::not_found("there is no such payment"),
        });
    }
    tracing::info!(payment = %id, by = operator.identity.subject, "an operator has a payment asked for again");
    operations.work.notify_one();
    Ok(HttpResponse::Accepted().finish())
}

/// The payments by state, and what an operator should act on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentsStatus {
    /// How many payments are in each state.
    states: BTreeMap<&'static str, i64>,
    /// How many have had no outcome for longer than they should.
    overdue: i64,
    /// What an operator should act on.
    problems: Vec<String>,
}

/// Says how many payments are in each state, and what hangs.
#[utoipa::path(tag = "payments", security(("bearer" = ["ops"])), responses(
    (status = 200, description = "the figures, and what hangs", body = PaymentsStatus),
))]
#[get("/api/v1/payments/status")]
async fn payments_status(
    _: Authorized<Ops>,
    operations: web::Data<Operations>,
    pool: web::Data<PgPool>,
) -> Result<web::Json<PaymentsStatus>, Problem> {
    let seconds = operations.settings.overdue_seconds;
    let counts = read::counts(&pool, seconds).await?;
    let overdue = counts.iter().map(|count| count.overdue).sum();
    let mut problems = Vec::new();
    for count in &counts {
        if count.state == State::Held {
            problems.push(format!(
                "{} held: the provider has charged or refunded something else than it was asked for; see \
                 /api/v1/payments?state=held",
                payments(count.count)
            ));
        }
        if count.overdue > 0 {
            let last = count.problem.as_deref().unwrap_or("the provider was not asked, or did not answer");
            let (payments, state) = (payments(count.overdue), count.state.word());
            problems.push(format!("{payments} {state} for more than {seconds} s without an outcome: {last}"));
        }
    }
    let states = counts.iter().map(|count| (count.state.word(), count.count)).collect();
    Ok(web::Json(PaymentsStatus { states, overdue, problems }))
}

fn payments(count: i64) -> String {
    format!("{count} payment{}", if count == 1 { " is" } else { "s are" })
}
