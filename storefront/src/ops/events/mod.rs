//! The event log, one event's timeline, and what an operator does about an event that cannot be published.

mod actions;
mod list;
mod timeline;

use actix_web::web;

pub(super) use list::Row;

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(list::show).service(timeline::show).service(actions::requeue).service(actions::skip);
}

/// An event's state in a word, and its CSS class.
fn status(event: &super::api::Event) -> (&'static str, &'static str) {
    match event.state.as_str() {
        "Published" => ("published", "ok"),
        "PublishedFailed" if event.skipped_at.is_some() => ("skipped", "unavailable"),
        "PublishedFailed" => ("failed", "error"),
        _ => ("pending", "busy"),
    }
}
