//! The mails in a browser.

use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use service_kit::problem::Problem;

use crate::store::{Mail, Store};

/// The most mails of the page.
const LIMIT: usize = 200;

/// Nothing of a mail is loaded or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Adds the pages.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(list).service(show);
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    mails: Vec<Mail>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct MailPage {
    mail: Mail,
}

#[get("/")]
async fn list(store: web::Data<Store>) -> Result<HttpResponse, Problem> {
    html(&ListPage { mails: store.newest(None, LIMIT) })
}

#[get("/messages/{number}")]
async fn show(number: web::Path<u64>, store: web::Data<Store>) -> Result<HttpResponse, Problem> {
    let mail = store.find(*number).ok_or_else(|| Problem::not_found("there is no such mail any more"))?;
    html(&MailPage { mail })
}

fn html(page: &impl Template) -> Result<HttpResponse, Problem> {
    let text = page.render().map_err(|error| Problem::internal(&error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(text))
}
