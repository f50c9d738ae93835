//! The log: a list, one event's journey, and what an operator decides about an event that is stuck.

mod decisions;
mod journey;
mod list;

use actix_web::web;

pub(super) use list::Row;

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(list::show).service(journey::show).service(decisions::requeue).service(decisions::skip);
}

/// How an event stands: a word and a class.
fn standing(event: &super::api::Event) -> (&'static str, &'static str) {
    match event.state.as_str() {
        "Published" => ("published", "well"),
        "PublishedFailed" if event.skipped_at.is_some() => ("skipped", "away"),
        "PublishedFailed" => ("stuck", "trouble"),
        _ => ("pending", "busy"),
    }
}
