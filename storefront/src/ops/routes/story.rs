//! One order's story: its events across all services, by whom, when, and how long each took to have its effects.

use actix_web::http::StatusCode;
use actix_web::{get, web};
use askama::Template;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::clients;
use crate::ops::answers::Event;
use crate::ops::api::{OpsApi, read};
use crate::ops::event_row::Row;
use crate::ops::operator::Operator;
use crate::pages::{Answer, Frame, Section, html};
use crate::session::User;

/// The most events of one order that are shown: an order has about ten.
const MOST: usize = 40;

#[derive(Template)]
#[template(path = "ops/story.html")]
struct Page {
    frame: Frame,
    order: Uuid,
    chapters: clients::Result<Vec<Chapter>>,
}

/// One event of the order.
struct Chapter {
    row: Row,
    /// The service that committed it.
    by: String,
    /// Since the order's first event.
    since: String,
    effects: Vec<Effect>,
}

/// What a subscriber made of it.
struct Effect {
    by: String,
    /// From the commit to the effect.
    took: String,
    is_applied: bool,
}

#[get("/ops/orders/{id}")]
pub(super) async fn show(operator: Operator, order: web::Path<Uuid>) -> Answer {
    let Operator { visit, user, room } = &operator;
    let (mut frame, chapters) =
        tokio::join!(visit.frame("The story of an order", Section::Ops), tell(&room.api, user, *order));
    frame.is_partial = chapters.is_err();
    html(StatusCode::OK, &Page { frame, order: *order, chapters })
}

async fn tell(api: &OpsApi, user: &User, order: Uuid) -> clients::Result<Vec<Chapter>> {
    let query = [("key", order.to_string()), ("limit", MOST.to_string())];
    let listed: Vec<Event> =
        api.any_relay(async |relay| read(relay, user, &["outbox", "events"], &query).await).await?;
    let ids = listed.iter().map(|event| event.event_id.as_str());
    let details = ids.map(|id| async move {
        api.any_relay(async |relay| read(relay, user, &["outbox", "events", id], &[]).await).await
    });
    let mut events: Vec<Event> = join_all(details).await.into_iter().collect::<clients::Result<_>>()?;
    events.sort_by_key(|event| event.created_at);
    let first = events.first().map(|event| event.created_at);
    Ok(events.iter().map(|event| Chapter::new(event, first.unwrap_or(event.created_at))).collect())
}

impl Chapter {
    fn new(event: &Event, first: DateTime<Utc>) -> Self {
        let effects = event.deliveries.iter().filter_map(|delivery| {
            let received = delivery.received.as_ref()?;
            let took = seconds(event.created_at, received.received_at);
            Some(Effect { by: delivery.consumer.clone(), took, is_applied: received.applied })
        });
        Self {
            row: Row::new(event),
            by: event.database.clone(),
            since: seconds(first, event.created_at),
            effects: effects.collect(),
        }
    }
}

/// The seconds between two times.
fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let ms = (to - from).num_milliseconds().max(0);
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}
