//! Dead letters: the messages that a subscriber could not handle.

use actix_web::http::StatusCode;
use actix_web::{get, post};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::clients;
use crate::ops::answers::{DeadLetter, DeadLetters};
use crate::ops::api::{act, ask_all, dead_letters};
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html, see_other};
use crate::session::Posted;

#[derive(Template)]
#[template(path = "ops/dead_letters.html")]
struct Page {
    frame: Frame,
    /// By subscriber.
    subscribers: Vec<(String, clients::Result<DeadLetters>)>,
}

impl DeadLetter {
    /// The message, indented if it is JSON.
    fn text(&self) -> String {
        let json: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        json.and_then(|json| serde_json::to_string_pretty(&json).ok()).unwrap_or_else(|| self.body.clone())
    }

    fn failed_at(&self) -> String {
        self.failed_at
            .map_or_else(|| "unknown".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    }

    fn is_cut(&self) -> bool {
        self.body.len() < self.body_bytes
    }
}

#[get("/ops/dead-letters")]
pub(super) async fn show(operator: Operator) -> Answer {
    let Operator { visit, user, room } = &operator;
    let (frame, subscribers) = tokio::join!(
        visit.frame("Dead letters", Section::Ops),
        ask_all(&room.api.subscribers, |client| dead_letters(client, user)),
    );
    html(StatusCode::OK, &Page { frame, subscribers })
}

/// Which dead letter, and why it is discarded. Its id is any text, and so no part of the path.
#[derive(Debug, Deserialize)]
struct Selected {
    service: String,
    id: String,
    #[serde(default)]
    reason: String,
}

#[post("/ops/dead-letters/replay")]
pub(super) async fn replay(Posted(form): Posted<Selected>, operator: Operator) -> Answer {
    act_on(&operator, &form, "replay", None).await?;
    Ok(see_other("/ops/dead-letters?did=replayed"))
}

#[post("/ops/dead-letters/discard")]
pub(super) async fn discard(Posted(form): Posted<Selected>, operator: Operator) -> Answer {
    act_on(&operator, &form, "discard", Some(&form.reason)).await?;
    Ok(see_other("/ops/dead-letters?did=discarded"))
}

async fn act_on(
    Operator { user, room, .. }: &Operator,
    form: &Selected,
    action: &str,
    reason: Option<&str>,
) -> Result<(), Problem> {
    let service = room.api.subscribers.iter().find(|client| client.service() == form.service);
    let service = service.ok_or_else(|| Problem::not_found("there is no such subscriber"))?;
    Ok(act(service, user, &["inbox", "dead-letters", &form.id, action], reason).await?)
}
