//! One event's way, from its commit to the carts.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use askama::Template;
use chrono::{DateTime, Utc};
use service_kit::problem::Problem;

use super::standing;
use crate::backends::Trouble;
use crate::ops::api::Event;
use crate::ops::enter;
use crate::pages::{Frame, Section, Visit, html};

#[derive(Template)]
#[template(path = "ops/event.html")]
struct Page {
    frame: Frame,
    journey: Result<Journey, Trouble>,
}

struct Journey {
    event: Event,
    state: &'static str,
    class: &'static str,
    /// Whether it waits for an operator.
    is_stuck: bool,
    steps: Vec<Step>,
    payload: String,
    trace: Option<String>,
}

/// Something that happened to it, or has not happened yet.
struct Step {
    at: Option<DateTime<Utc>>,
    what: String,
    note: String,
    class: &'static str,
}

impl Step {
    fn new(at: Option<DateTime<Utc>>, class: &'static str, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), note: String::new(), class }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn time(&self) -> String {
        self.at.map_or_else(|| "–".to_owned(), |at| at.format("%H:%M:%S%.3f").to_string())
    }

    fn date(&self) -> String {
        self.at.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default()
    }
}

#[get("/ops/events/{id}")]
pub(super) async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let (mut frame, event) =
        tokio::join!(visit.frame("One event's journey", Section::Ops), room.api.event(user, &id));
    let journey = match event {
        Err(trouble) if !trouble.is_away() => return Err(trouble.into()),
        event => event.map(Journey::new),
    };
    frame.is_partial = journey.is_err();
    html(StatusCode::OK, &Page { frame, journey })
}

impl Journey {
    fn new(event: Event) -> Self {
        let (state, class) = standing(&event);
        let trace =
            event.headers.traceparent.as_ref().and_then(|parent| parent.get(3..35)).map(str::to_owned);
        Self {
            state,
            class,
            is_stuck: state == "stuck",
            steps: steps(&event),
            payload: serde_json::to_string_pretty(&event.payload).unwrap_or_default(),
            trace,
            event,
        }
    }
}

/// What happened, in its order, and behind it what is still to come.
fn steps(event: &Event) -> Vec<Step> {
    let mut steps = vec![
        Step::new(Some(event.created_at), "well", "Committed")
            .note(format!("in the same transaction as the change, in the log of {}", event.database)),
    ];
    if let Some(at) = event.published_at {
        let times = match event.times_sent {
            1 => "the broker has confirmed it, once".to_owned(),
            times => format!("the broker has confirmed it, {times} times until now"),
        };
        steps.push(Step::new(Some(at), "well", "Marked published").note(times));
    }
    if let (Some(at), Some(by)) = (event.skipped_at, &event.skipped_by) {
        let reason = event.skip_reason.as_deref().unwrap_or_default();
        steps.push(Step::new(Some(at), "away", format!("Skipped by {by}")).note(reason));
    }
    for delivery in &event.deliveries {
        let Some(received) = &delivery.received else { continue };
        let flag = if received.redelivered { "redelivered flag set; " } else { "" };
        let (effect, class) = if received.applied {
            ("applied: prices, carts and alerts in one transaction", "well")
        } else {
            ("no effect: something newer was known", "busy")
        };
        let step = Step::new(Some(received.received_at), class, format!("Received by {}", delivery.consumer));
        steps.push(step.note(format!("{flag}{effect}")));
    }
    steps.sort_by_key(|step| step.at);
    steps.extend(open(event));
    steps
}

fn open(event: &Event) -> Vec<Step> {
    let mut open = Vec::new();
    match (event.state.as_str(), &event.last_error) {
        ("NotPublished" | "InProgress", _) => {
            open.push(Step::new(None, "busy", "Waits to be published"));
        }
        ("PublishedFailed", error) if event.skipped_at.is_none() => {
            let error = error.as_deref().unwrap_or("no reason is known");
            open.push(Step::new(None, "trouble", "Cannot be published, and its key waits").note(error));
        }
        _ => {}
    }
    for delivery in event.deliveries.iter().filter(|delivery| delivery.received.is_none()) {
        let step = match &delivery.problem {
            Some(problem) => {
                Step::new(None, "trouble", format!("{} cannot be asked", delivery.consumer)).note(problem)
            }
            None => Step::new(None, "busy", format!("Not in the inbox of {} yet", delivery.consumer)),
        };
        open.push(step);
    }
    open
}
