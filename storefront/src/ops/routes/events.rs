//! A page of the event log.

use std::collections::BTreeSet;

use actix_web::get;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;
use service_kit::problem::Query;

use crate::clients;
use crate::ops::answers::Event;
use crate::ops::api::{OpsApi, read};
use crate::ops::event_row::Row;
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html};
use crate::session::User;

/// Events on a page.
const PAGE: usize = 25;

/// The states that can be selected, with their names.
const STATES: [(&str, &str); 4] = [
    ("", "any"),
    ("NotPublished", "pending"),
    ("Published", "published"),
    ("PublishedFailed", "failed or skipped"),
];

/// The longest text that is searched for, in characters.
const MAX_TEXT: usize = 255;

/// Which events. A value that makes no sense is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    state: String,
    r#type: String,
    key: String,
    before: String,
}

#[derive(Template)]
#[template(path = "ops/events.html")]
struct Page {
    frame: Frame,
    search: Search,
    states: [(&'static str, &'static str); 4],
    /// The types of the events on this page, to choose from.
    types: BTreeSet<String>,
    rows: clients::Result<Vec<Row>>,
    /// The address of the older events.
    older: Option<String>,
}

impl Search {
    fn query(&self) -> Vec<(&'static str, String)> {
        let clean = |text: &str| text.trim().chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        let fields =
            [("state", &self.state), ("type", &self.r#type), ("key", &self.key), ("before", &self.before)];
        let fields = fields.into_iter().map(|(name, text)| (name, clean(text)));
        fields.filter(|(_, text): &(_, String)| !text.is_empty()).collect()
    }

    fn is_set(&self) -> bool {
        !self.query().is_empty()
    }

    fn older_than(&self, event: &Event) -> String {
        let query = self.query().into_iter().filter(|(name, _)| *name != "before");
        let mut serializer = form_urlencoded::Serializer::new(String::new());
        let query = serializer.extend_pairs(query).append_pair("before", &event.event_id).finish();
        format!("/ops/events?{query}")
    }
}

#[get("/ops/events")]
pub(super) async fn show(operator: Operator, Query(search): Query<Search>) -> Answer {
    let Operator { visit, user, room } = &operator;
    let (mut frame, events) =
        tokio::join!(visit.frame("Event log", Section::Ops), list(&room.api, user, search.query()));
    let events = match events {
        // The address has a wrong value, or an event that is deleted by now.
        Err(error) if error.is(reqwest::StatusCode::BAD_REQUEST) => list(&room.api, user, Vec::new()).await,
        events => events,
    };
    frame.is_partial = events.is_err();
    let listed = events.as_deref().unwrap_or_default();
    let types = listed.iter().map(|event| event.event_type.clone()).collect();
    let last = listed.get(PAGE - 1).filter(|_| listed.len() > PAGE);
    let older = last.map(|last| search.older_than(last));
    let rows = events.map(|events| events.iter().take(PAGE).map(Row::new).collect());
    html(StatusCode::OK, &Page { frame, search, states: STATES, types, rows, older })
}

/// The events of a page, and one more where there are older ones.
async fn list(
    api: &OpsApi,
    user: &User,
    mut query: Vec<(&'static str, String)>,
) -> clients::Result<Vec<Event>> {
    query.push(("limit", (PAGE + 1).to_string()));
    api.any_relay(async |relay| read(relay, user, &["outbox", "events"], &query).await).await
}
