//! A page of the log.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use service_kit::problem::{Problem, Query};

use super::standing;
use crate::backends::Trouble;
use crate::ops::api::{Event, PAGE};
use crate::ops::enter;
use crate::pages::{Frame, Section, Visit, html};

/// The states that can be asked for, with their names.
const STATES: [(&str, &str); 4] = [
    ("", "any"),
    ("NotPublished", "pending"),
    ("Published", "published"),
    ("PublishedFailed", "stuck or skipped"),
];

/// The types that can be asked for by a click.
const TYPES: [&str; 4] = [
    "shop.catalog.product_added.v1",
    "shop.catalog.product_price_changed.v1",
    "shop.catalog.product_changed.v1",
    "shop.catalog.product_removed.v1",
];

/// The longest text that is looked for, in characters.
const LONGEST: usize = 255;

/// Which events; what makes no sense in it counts as not said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    state: String,
    r#type: String,
    key: String,
    before: String,
}

/// One event in a list.
pub(in crate::ops) struct Row {
    pub(in crate::ops) id: String,
    pub(in crate::ops) short_id: String,
    pub(in crate::ops) at: DateTime<Utc>,
    pub(in crate::ops) kind: String,
    pub(in crate::ops) key: String,
    pub(in crate::ops) version: i64,
    pub(in crate::ops) state: &'static str,
    pub(in crate::ops) class: &'static str,
    pub(in crate::ops) sent: i32,
    /// From the commit to the broker's confirmation.
    pub(in crate::ops) took: String,
}

impl Row {
    pub(in crate::ops) fn new(event: &Event) -> Self {
        let (state, class) = standing(event);
        let took = event.published_at.map(|at| (at - event.created_at).num_milliseconds());
        Self {
            id: event.event_id.clone(),
            short_id: event.event_id.chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect(),
            at: event.created_at,
            kind: short_type(&event.event_type),
            key: event.key.clone(),
            version: event.key_version,
            state,
            class,
            sent: event.times_sent,
            took: took.map(milliseconds).unwrap_or_default(),
        }
    }

    /// When it was committed, by the clock.
    pub(in crate::ops) fn time(&self) -> String {
        self.at.format("%H:%M:%S%.3f").to_string()
    }
}

/// What happened, without what all types have in common.
fn short_type(event_type: &str) -> String {
    let short = event_type.strip_prefix("shop.").unwrap_or(event_type);
    short.replace('_', " ").replace(".v1", "").replace('.', ": ")
}

fn milliseconds(ms: i64) -> String {
    match ms {
        ms if ms < 10_000 => format!("{} ms", super::super::count(ms)),
        ms => format!("{} s", super::super::count(ms / 1_000)),
    }
}

#[derive(Template)]
#[template(path = "ops/events.html")]
struct Page {
    frame: Frame,
    wanted: Wanted,
    states: [(&'static str, &'static str); 4],
    types: [&'static str; 4],
    rows: Result<Vec<Row>, Trouble>,
    /// Where the older ones are.
    older: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Vec<(&'static str, String)> {
        let clean =
            |text: &str| text.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>();
        let fields =
            [("state", &self.state), ("type", &self.r#type), ("key", &self.key), ("before", &self.before)];
        let said = fields.into_iter().map(|(name, text)| (name, clean(text)));
        said.filter(|(_, text)| !text.is_empty()).collect()
    }

    fn is_set(&self) -> bool {
        !self.filter().is_empty()
    }

    fn older(&self, last: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, text) in self.filter().iter().filter(|(name, _)| *name != "before") {
            query.append_pair(name, text);
        }
        format!("/ops/events?{}", query.append_pair("before", last).finish())
    }
}

#[get("/ops/events")]
pub(super) async fn show(visit: Visit, Query(wanted): Query<Wanted>) -> Result<HttpResponse, Problem> {
    let (room, user) = enter(&visit)?;
    let filter = wanted.filter();
    let (mut frame, events) =
        tokio::join!(visit.frame("Event log", Section::Ops), room.api.events(user, &filter));
    let events = match events {
        // An address that was typed wrong, or too old a one: everything is a better answer than none.
        Err(trouble) if trouble.is(reqwest::StatusCode::BAD_REQUEST) => room.api.events(user, &[]).await,
        events => events,
    };
    frame.is_partial = events.is_err();
    let older = events.as_ref().ok().filter(|events| events.len() > PAGE);
    let older = older.and_then(|events| events.get(PAGE - 1)).map(|last| wanted.older(&last.event_id));
    let rows = events.map(|events| events.iter().take(PAGE).map(Row::new).collect());
    html(StatusCode::OK, &Page { frame, wanted, states: STATES, types: TYPES, rows, older })
}
