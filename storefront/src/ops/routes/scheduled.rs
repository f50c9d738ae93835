//! Scheduled events: what is to be announced later.

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;

use crate::clients;
use crate::ops::answers::ScheduledEvents;
use crate::ops::api::{act, read};
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html, see_other};
use crate::session::{Nothing, Posted};

/// The most events that are shown.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "ops/scheduled.html")]
struct Page {
    frame: Frame,
    scheduled: clients::Result<ScheduledEvents>,
}

#[get("/ops/scheduled")]
pub(super) async fn show(operator: Operator) -> Answer {
    let Operator { visit, user, room } = &operator;
    let limit = [("limit", SHOWN.to_string())];
    let list = room.api.any_relay(async |relay| read(relay, user, &["outbox", "scheduled"], &limit).await);
    let (mut frame, scheduled) = tokio::join!(visit.frame("Scheduled events", Section::Ops), list);
    frame.is_partial = scheduled.is_err();
    html(StatusCode::OK, &Page { frame, scheduled })
}

#[post("/ops/scheduled/{id}/cancel")]
pub(super) async fn cancel(_: Posted<Nothing>, operator: Operator, id: web::Path<String>) -> Answer {
    let Operator { user, room, .. } = &operator;
    let path = ["outbox", "scheduled", &id, "cancel"];
    room.api.any_relay(async |relay| act(relay, user, &path, None).await).await?;
    Ok(see_other("/ops/scheduled?did=cancelled"))
}
