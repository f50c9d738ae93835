//! Keys that wait in a subscriber's database, because an event of theirs failed.

use actix_web::http::StatusCode;
use actix_web::{get, post};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use service_kit::problem::Problem;

use crate::clients;
use crate::ops::answers::{WaitingKey, WaitingKeys};
use crate::ops::api::{act_with, ask_all, waiting_keys};
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html, see_other};
use crate::session::Posted;

#[derive(Template)]
#[template(path = "ops/waiting.html")]
struct Page {
    frame: Frame,
    /// By subscriber.
    subscribers: Vec<(String, clients::Result<WaitingKeys>)>,
}

impl WaitingKey {
    /// What it waits for.
    fn state(&self) -> String {
        let text = |at: &chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        match (&self.blocked_at, &self.next_attempt_at) {
            (Some(since), _) => format!("for you, since {}", text(since)),
            (None, Some(next)) => format!("for its next try, at {}", text(next)),
            (None, None) => "for its turn".to_owned(),
        }
    }
}

#[get("/ops/waiting")]
pub(super) async fn show(operator: Operator) -> Answer {
    let Operator { visit, user, room } = &operator;
    let (frame, subscribers) = tokio::join!(
        visit.frame("Waiting events", Section::Ops),
        ask_all(&room.api.subscribers, |client| waiting_keys(client, user)),
    );
    html(StatusCode::OK, &Page { frame, subscribers })
}

/// Which event, and why it is skipped.
#[derive(Debug, Deserialize)]
struct Selected {
    service: String,
    event: String,
    #[serde(default)]
    reason: String,
}

#[post("/ops/waiting/requeue")]
pub(super) async fn requeue_key(Posted(form): Posted<Selected>, operator: Operator) -> Answer {
    act_on(&operator, &form, "requeue", &json!({"eventId": form.event})).await?;
    Ok(see_other("/ops/waiting?did=requeued"))
}

#[post("/ops/waiting/skip")]
pub(super) async fn skip_event(Posted(form): Posted<Selected>, operator: Operator) -> Answer {
    act_on(&operator, &form, "skip", &json!({"eventId": form.event, "reason": form.reason})).await?;
    Ok(see_other("/ops/waiting?did=skipped"))
}

async fn act_on(
    Operator { user, room, .. }: &Operator,
    form: &Selected,
    action: &str,
    body: &serde_json::Value,
) -> Result<(), Problem> {
    let service = room.api.subscribers.iter().find(|client| client.service() == form.service);
    let service = service.ok_or_else(|| Problem::not_found("there is no such subscriber"))?;
    Ok(act_with(service, user, &["inbox", "waiting", action], Some(body)).await?)
}
