//! Signing in and out.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, get, post, web};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::auth::BuyerId;
use service_kit::problem::{Problem, Query};

use crate::pages::{Answer, Frame, Section, Visit, html, local, refused, see_other};
use crate::session::{CATALOG_WRITE, Nothing, OPS, ORDERS_SHIP, Posted, forwarded_for};

/// How long a session lasts that begins with a name.
const LIFETIME: Duration = Duration::from_hours(12);

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(sign_in).service(sign_in_by_address).service(sign_out);
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    /// The page that follows: a path on this site.
    next: String,
    name: String,
    email: String,
    fault: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Next {
    next: String,
}

/// A name and roles in development mode, a token in production mode.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SignIn {
    name: String,
    merchant: Option<String>,
    operator: Option<String>,
    token: String,
    next: String,
}

/// The address and the password of an account.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    email: String,
    password: String,
    next: String,
}

#[get("/sign-in")]
async fn show(visit: Visit, Query(Next { next }): Query<Next>) -> Answer {
    page(&visit, next, (String::new(), String::new()), None).await
}

async fn page(visit: &Visit, next: String, (name, email): (String, String), fault: Option<String>) -> Answer {
    let frame = visit.frame("Sign in", Section::SignIn).await;
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html(status, &SignInPage { frame, next: local(&next).to_owned(), name, email, fault })
}

#[post("/sign-in")]
async fn sign_in(visit: Visit, Posted(form): Posted<SignIn>) -> Answer {
    let name = form.name.trim().to_owned();
    let token = match &visit.shop.signer {
        Some(_) if !is_name(&name) => {
            return page(&visit, form.next, (name, String::new()), Some(NO_NAME.to_owned())).await;
        }
        Some(signer) => {
            let (is_merchant, is_operator) = (form.merchant.is_some(), form.operator.is_some());
            let wanted = [(is_merchant, CATALOG_WRITE), (is_merchant, ORDERS_SHIP), (is_operator, OPS)];
            let scopes: Vec<&str> = wanted.iter().filter(|(is, _)| *is).map(|(_, scope)| *scope).collect();
            signer.sign(&name, &scopes.join(" "), LIFETIME)?
        }
        None => SecretString::from(form.token.trim().to_owned()),
    };
    let user = match visit.shop.user(token).await {
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            let fault = "This token is not valid here: it may have expired.";
            return page(&visit, form.next, (name, String::new()), Some(fault.to_owned())).await;
        }
        user => user?,
    };
    if !is_name(&user.name) {
        return page(&visit, form.next, (name, String::new()), Some(NO_NAME.to_owned())).await;
    }
    let mut answer = see_other(local(&form.next));
    answer.add_cookie(&visit.shop.cookie.issue(&user)).map_err(|error| Problem::internal(&error))?;
    Ok(answer)
}

#[post("/sign-in/account")]
async fn sign_in_by_address(request: HttpRequest, visit: Visit, Posted(form): Posted<Credentials>) -> Answer {
    let Credentials { email, password, next } = form;
    let visitor = forwarded_for(&request);
    let token = visit.shop.accounts()?.sign_in((&email, &password), visitor).await;
    let user = match token {
        Ok(token) => visit.shop.user(token).await?,
        Err(error) => {
            let page = page(&visit, next, (String::new(), email), Some(error.message())).await?;
            return Ok(refused(&error, page));
        }
    };
    let mut answer = see_other(local(&next));
    answer.add_cookie(&visit.shop.cookie.issue(&user)).map_err(|error| Problem::internal(&error))?;
    Ok(answer)
}

#[post("/sign-out")]
async fn sign_out(visit: Visit, _: Posted<Nothing>) -> Answer {
    let mut answer = see_other("/");
    answer.add_cookie(&visit.shop.cookie.clear()).map_err(|error| Problem::internal(&error))?;
    Ok(answer)
}

/// Why nobody can sign in under a name.
const NO_NAME: &str = "A name, or a token's subject, is 1 to 64 letters, digits and -_.@+:| without spaces, \
                       and not dots alone.";

/// Whether services take this name for a buyer's id.
fn is_name(name: &str) -> bool {
    name.parse::<BuyerId>().is_ok()
}
