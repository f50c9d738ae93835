//! One event's timeline, from its commit to its effect at each subscriber; requeue and skip.

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::clients;
use crate::ops::answers::Event;
use crate::ops::api::read;
use crate::ops::event_row::status;
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html, see_other};
use crate::session::{Nothing, Posted};

#[derive(Template)]
#[template(path = "ops/event.html")]
struct Page {
    frame: Frame,
    timeline: clients::Result<Timeline>,
}

struct Timeline {
    event: Event,
    state: &'static str,
    class: &'static str,
    steps: Vec<Step>,
    payload: String,
    trace: Option<String>,
}

/// Something that happened to the event, or is still to happen.
struct Step {
    at: Option<DateTime<Utc>>,
    what: String,
    note: String,
    class: &'static str,
}

impl Step {
    fn new(
        at: impl Into<Option<DateTime<Utc>>>,
        class: &'static str,
        what: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self { at: at.into(), what: what.into(), note: note.into(), class }
    }
}

#[get("/ops/events/{id}")]
pub(super) async fn show(operator: Operator, id: web::Path<String>) -> Answer {
    let Operator { visit, user, room } = &operator;
    let event = room.api.any_relay(async |relay| read(relay, user, &["outbox", "events", &id], &[]).await);
    let (mut frame, event) = tokio::join!(visit.frame("Event timeline", Section::Ops), event);
    let timeline = match event {
        Err(error) if !error.is_unavailable() => return Err(error.into()),
        event => event.map(Timeline::new),
    };
    frame.is_partial = timeline.is_err();
    html(StatusCode::OK, &Page { frame, timeline })
}

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

#[post("/ops/events/{id}/requeue")]
pub(super) async fn requeue_event(_: Posted<Nothing>, operator: Operator, id: web::Path<String>) -> Answer {
    operator.room.api.act_on_event(&operator.user, &id, "requeue", None).await?;
    Ok(see_other(&format!("/ops/events/{id}?did=requeued")))
}

#[post("/ops/events/{id}/skip")]
pub(super) async fn skip_event(
    Posted(form): Posted<Reason>,
    operator: Operator,
    id: web::Path<String>,
) -> Answer {
    operator.room.api.act_on_event(&operator.user, &id, "skip", Some(&form.reason)).await?;
    Ok(see_other(&format!("/ops/events/{id}?did=skipped")))
}

impl Timeline {
    fn new(event: Event) -> Self {
        let (state, class) = status(&event);
        let mut steps = past(&event);
        steps.sort_by_key(|step| step.at);
        steps.extend(future(&event));
        let traceparent = event.headers["traceparent"].as_str();
        Self {
            state,
            class,
            steps,
            payload: serde_json::to_string_pretty(&event.payload).unwrap_or_default(),
            trace: traceparent.and_then(|parent| parent.get(3..35)).map(str::to_owned),
            event,
        }
    }

    /// Whether it waits for an operator.
    fn is_failed(&self) -> bool {
        self.state == "failed"
    }
}

fn past(event: &Event) -> Vec<Step> {
    let note = format!("in one transaction with the change, in the outbox of {}", event.database);
    let mut steps = vec![Step::new(event.created_at, "ok", "Committed", note)];
    if let Some(at) = event.published_at {
        let times = match event.times_sent {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        steps.push(Step::new(at, "ok", "Marked published", format!("sent {times}, confirmed by the broker")));
    }
    if let (Some(at), Some(by)) = (event.skipped_at, &event.skipped_by) {
        let reason = event.skip_reason.as_deref().unwrap_or_default();
        steps.push(Step::new(at, "unavailable", format!("Skipped by {by}"), reason));
    }
    for delivery in &event.deliveries {
        let Some(received) = &delivery.received else { continue };
        let flag = if received.redelivered { "redelivered flag set; " } else { "" };
        let (effect, class) = if received.applied {
            ("applied, in one transaction with the inbox entry", "ok")
        } else {
            (received.effect.as_str(), "busy")
        };
        let what = format!("Received by {}", delivery.consumer);
        steps.push(Step::new(received.received_at, class, what, format!("{flag}{effect}")));
    }
    steps
}

fn future(event: &Event) -> Vec<Step> {
    let mut steps = Vec::new();
    match status(event).0 {
        "pending" => steps.push(Step::new(None, "busy", "Waits to be published", "")),
        "failed" => {
            let error = event.last_error.as_deref().unwrap_or("the reason is unknown");
            steps.push(Step::new(None, "error", "Cannot be published, and blocks its key", error));
        }
        _ => {}
    }
    for delivery in event.deliveries.iter().filter(|delivery| delivery.received.is_none()) {
        steps.push(match &delivery.problem {
            Some(problem) => Step::new(
                None,
                "error",
                format!("The inbox of {} cannot be read", delivery.consumer),
                problem,
            ),
            None => Step::new(None, "busy", format!("Not in the inbox of {} yet", delivery.consumer), ""),
        });
    }
    steps
}
