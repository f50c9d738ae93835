//! The page that the link in the mail leads to.

use actix_web::http::StatusCode;
use actix_web::{get, post};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Query;
use uuid::Uuid;

use crate::clients::ClientError;
use crate::pages::{Answer, Frame, Section, Visit, html, refused};
use crate::session::Posted;

#[derive(Template)]
#[template(path = "account/validate.html")]
struct ValidatePage {
    frame: Frame,
    link: Link,
    fault: Option<String>,
    is_done: bool,
}

/// What the link in the mail holds.
#[derive(Deserialize)]
struct Link {
    user: Uuid,
    token: String,
}

/// Asks for a click: programs that look through mails open links too.
#[get("/validate")]
pub(super) async fn show(visit: Visit, Query(link): Query<Link>) -> Answer {
    visit.shop.accounts()?;
    let frame = visit.frame("Your address", Section::Other).await;
    html(StatusCode::OK, &ValidatePage { frame, link, fault: None, is_done: false })
}

#[post("/validate")]
pub(super) async fn validate(visit: Visit, Posted(link): Posted<Link>) -> Answer {
    let done = visit.shop.accounts()?.validate(link.user, &link.token).await;
    let frame = visit.frame("Your address", Section::Other).await;
    let fault = done.as_ref().err().map(ClientError::message);
    let is_done = fault.is_none();
    let page = html(StatusCode::OK, &ValidatePage { frame, link, fault, is_done })?;
    Ok(match done {
        Ok(()) => page,
        Err(error) => refused(&error, page),
    })
}
