//! Dead letters: messages that the basket could not handle.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Problem;

use super::api::Letter;
use super::enter;
use crate::backends::Trouble;
use crate::pages::{Frame, Section, Visit, html, see_other};
use crate::session::{Posted, User};

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(replay).service(discard);
}

#[derive(Template)]
#[template(path = "ops/letters.html")]
struct Page {
    frame: Frame,
    letters: Result<Shown, Trouble>,
}

struct Shown {
    count: u64,
    letters: Vec<Letter>,
}

impl Shown {
    /// Whether there are more than these.
    fn has_more(&self) -> bool {
        self.count > self.letters.len() as u64
    }
}

impl Letter {
    /// Its body, laid out if it is JSON.
    fn text(&self) -> String {
        let json: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        json.and_then(|json| serde_json::to_string_pretty(&json).ok()).unwrap_or_else(|| self.body.clone())
    }

    fn when(&self) -> String {
        self.failed_at
            .map_or_else(|| "unknown".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    }

    fn is_cut(&self) -> bool {
        self.body.len() < self.body_bytes
    }
}

#[get("/ops/dead-letters")]
async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let (mut frame, letters) =
        tokio::join!(visit.frame("Dead letters", Section::Ops), room.api.letters(user));
    frame.is_partial = letters.is_err();
    let letters = letters.map(|letters| Shown { count: letters.count, letters: letters.data });
    html(StatusCode::OK, &Page { frame, letters })
}

/// Which letter; its id is anybody's text, and so no part of the address.
#[derive(Debug, Deserialize)]
struct Chosen {
    id: String,
    #[serde(default)]
    reason: String,
}

#[post("/ops/dead-letters/replay")]
async fn replay(visit: Visit, Posted(chosen): Posted<Chosen>) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    room.api.replay(user, usable(&chosen, user)?).await?;
    Ok(see_other("/ops/dead-letters?did=replayed"))
}

#[post("/ops/dead-letters/discard")]
async fn discard(visit: Visit, Posted(chosen): Posted<Chosen>) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    room.api.discard(user, usable(&chosen, user)?, &chosen.reason).await?;
    Ok(see_other("/ops/dead-letters?did=discarded"))
}

/// An id that leads to a letter: an address drops a segment that is empty or only dots.
fn usable<'a>(chosen: &'a Chosen, user: &User) -> Result<&'a str, Problem> {
    let id = chosen.id.as_str();
    if id.is_empty() || id.chars().all(|c| c == '.') {
        tracing::warn!(by = user.name, "a dead letter cannot be named");
        return Err(Problem::validation("this letter's id cannot be put into an address"));
    }
    Ok(id)
}
