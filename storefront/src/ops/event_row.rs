//! An event as one line of a list.

use super::answers::Event;
use crate::pages::count;

/// One event in a list.
pub(super) struct Row {
    pub(super) id: String,
    /// When it was committed, for programs and for people.
    pub(super) at: (String, String),
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) version: i64,
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    pub(super) sent: i32,
    /// The time from the commit to the broker's confirmation.
    pub(super) took: String,
}

impl Row {
    pub(super) fn new(event: &Event) -> Self {
        let (state, class) = status(event);
        let took = event.published_at.map(|at| (at - event.created_at).num_milliseconds());
        Self {
            id: event.event_id.clone(),
            at: (event.created_at.to_rfc3339(), event.created_at.format("%H:%M:%S%.3f").to_string()),
            kind: short_type(&event.event_type),
            key: event.key.clone(),
            version: event.key_version,
            state,
            class,
            sent: event.times_sent,
            took: took.map(milliseconds).unwrap_or_default(),
        }
    }

    /// The last characters of the id, which differ between neighbours.
    pub(super) fn short_id(&self) -> &str {
        self.id.get(self.id.len().saturating_sub(6)..).unwrap_or(&self.id)
    }
}

/// `shop.catalog.product_added.v1` as `catalog: product added`.
fn short_type(event_type: &str) -> String {
    let short = event_type.strip_prefix("shop.").unwrap_or(event_type);
    short.replace('_', " ").replace(".v1", "").replace('.', ": ")
}

fn milliseconds(ms: i64) -> String {
    if ms < 10_000 { format!("{} ms", count(ms)) } else { format!("{} s", count(ms / 1_000)) }
}

/// An event's state in a word, and its CSS class.
pub(super) fn status(event: &Event) -> (&'static str, &'static str) {
    match event.state.as_str() {
        "Published" => ("published", "ok"),
        "PublishedFailed" if event.skipped_at.is_some() => ("skipped", "unavailable"),
        "PublishedFailed" => ("failed", "error"),
        _ => ("pending", "busy"),
    }
}
