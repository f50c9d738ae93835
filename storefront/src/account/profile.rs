//! The user's profile, what mail they want, and the end.

use actix_web::http::StatusCode;
use actix_web::{get, post};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::clients::{Account, AccountStatus};
use crate::pages::{Answer, Frame, Section, Visit, html, see_other};
use crate::session::Posted;

#[derive(Template)]
#[template(path = "account/profile.html")]
struct ProfilePage {
    frame: Frame,
    account: Account,
    since: String,
    fault: Option<&'static str>,
    /// Whether they want a digest; not known while the basket does not answer.
    wants_digest: Option<bool>,
}

/// A box that is not ticked is not sent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wishes {
    digest: Option<String>,
}

/// Whether the user means it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Erasure {
    sure: Option<String>,
}

#[get("/profile")]
pub(super) async fn show(visit: Visit) -> Answer {
    page(&visit, None).await
}

async fn page(visit: &Visit, fault: Option<&'static str>) -> Answer {
    let user = visit.user()?;
    let account = visit.shop.accounts()?.own(user).await?;
    let wants_digest = visit.shop.basket.wants_digest(user).await.ok();
    let frame = visit.frame("Your profile", Section::Other).await;
    let since = account.created_at.format("%e %B %Y").to_string();
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    html(status, &ProfilePage { frame, account, since, fault, wants_digest })
}

#[post("/profile/digest")]
pub(super) async fn choose(visit: Visit, Posted(form): Posted<Wishes>) -> Answer {
    visit.shop.basket.want_digest(visit.user()?, form.digest.is_some()).await?;
    Ok(see_other("/profile?did=chosen"))
}

#[post("/profile/erase")]
pub(super) async fn erase(visit: Visit, Posted(form): Posted<Erasure>) -> Answer {
    let user = visit.user()?;
    if form.sure.is_none() {
        return page(&visit, Some("Nothing was erased: tick the box first.")).await;
    }
    visit.shop.accounts()?.erase(user).await?;
    let mut answer = see_other("/?did=erased");
    answer.add_cookie(&visit.shop.cookie.clear()).map_err(|error| Problem::internal(&error))?;
    Ok(answer)
}
