//! The mails and the faults, over HTTP.

use std::net::SocketAddr;

use actix_web::{HttpResponse, delete, get, put, web};
use serde::{Deserialize, Serialize};
use service_kit::page;
use service_kit::problem::{Json, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::faults::{Fault, Faults};
use crate::store::{Mail, Store};

/// The most mails of one answer.
const LIMIT: usize = 10_000;

/// Where mail is taken.
pub(crate) struct SmtpAddress(pub(crate) SocketAddr);

/// Adds the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_mails).service(forget_mails).service(get_status).service(set_fault);
}

/// Which mails to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct MailQuery {
    /// Those for this address.
    to: Option<String>,
    /// At most so many, 1 to 10,000. Default 1,000.
    limit: Option<usize>,
}

/// Mails.
#[derive(Serialize, ToSchema)]
struct Mails {
    /// The newest first.
    messages: Vec<Mail>,
}

/// Lists mails.
#[utoipa::path(tag = "mails", params(MailQuery), responses(
    (status = 200, description = "the mails, newest first", body = Mails),
    (status = 400, description = "a limit that cannot be"),
))]
#[get("/api/messages")]
async fn list_mails(query: Query<MailQuery>, store: web::Data<Store>) -> Result<web::Json<Mails>, Problem> {
    let Query(MailQuery { to, limit }) = query;
    let limit = page::limit(limit.unwrap_or(1_000), LIMIT)?;
    Ok(web::Json(Mails { messages: store.newest(to.as_deref(), limit) }))
}

/// Forgets all mails.
#[utoipa::path(tag = "mails", responses((status = 204, description = "forgotten")))]
#[delete("/api/messages")]
async fn forget_mails(store: web::Data<Store>) -> HttpResponse {
    store.clear();
    HttpResponse::NoContent().finish()
}

/// What the server does.
#[derive(Serialize, ToSchema)]
struct Status {
    /// Where it takes mail.
    smtp: String,
    /// How many mails have come since the start.
    received: u64,
    /// What it does wrong.
    fault: Fault,
}

/// Says what the server does.
#[utoipa::path(tag = "faults", responses((status = 200, description = "what it does", body = Status)))]
#[get("/api/status")]
async fn get_status(
    address: web::Data<SmtpAddress>,
    store: web::Data<Store>,
    faults: web::Data<Faults>,
) -> web::Json<Status> {
    web::Json(Status { smtp: address.0.to_string(), received: store.received(), fault: faults.now() })
}

/// Has the server do something wrong; `{}` has it do all right.
#[utoipa::path(tag = "faults", request_body = Fault, responses(
    (status = 204, description = "so it will"),
    (status = 400, description = "no such fault"),
))]
#[put("/api/fault")]
async fn set_fault(body: Json<Fault>, faults: web::Data<Faults>) -> Result<HttpResponse, Problem> {
    let fault = body.value;
    if fault.code.is_some_and(|code| !(400..600).contains(&code)) {
        return Err(Problem::validation("the code of a refusal is 400 to 599"));
    }
    faults.set(fault);
    Ok(HttpResponse::NoContent().finish())
}
