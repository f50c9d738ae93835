//! The page for registering.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, get, post};
use askama::Template;
use serde::Deserialize;

use crate::clients::ClientError;
use crate::pages::{Answer, Frame, Section, Visit, html, refused};
use crate::session::{Posted, forwarded_for};

#[derive(Template)]
#[template(path = "account/register.html")]
struct RegisterPage {
    frame: Frame,
    name: String,
    email: String,
    fault: Option<String>,
    /// Whether the registration is on its way.
    is_sent: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registration {
    name: String,
    email: String,
    password: String,
}

#[get("/register")]
pub(super) async fn show(visit: Visit) -> Answer {
    visit.shop.accounts()?;
    let frame = visit.frame("Register", Section::SignIn).await;
    let (name, email) = (String::new(), String::new());
    html(StatusCode::OK, &RegisterPage { frame, name, email, fault: None, is_sent: false })
}

#[post("/register")]
pub(super) async fn register(
    request: HttpRequest,
    visit: Visit,
    Posted(form): Posted<Registration>,
) -> Answer {
    let visitor = forwarded_for(&request);
    let Registration { name, email, password } = form;
    let asked = visit.shop.accounts()?.register((&name, &email, &password), visitor).await;
    let frame = visit.frame("Register", Section::SignIn).await;
    let fault = asked.as_ref().err().map(ClientError::message);
    let is_sent = fault.is_none();
    let page = html(StatusCode::OK, &RegisterPage { frame, name, email, fault, is_sent })?;
    Ok(match asked {
        Ok(()) => page,
        Err(error) => refused(&error, page),
    })
}
