//! Server-sent events.
//!
//! Source of the format: WHATWG HTML, section 9.2.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// A silent stream sends [`ALIVE`] this often, so that proxies and clients keep the connection.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// A comment, which clients ignore.
pub const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");

/// Answers with a stream of events. A client that loses the connection connects again after `retry`.
pub fn respond(retry: Duration, events: impl Stream<Item = Bytes> + 'static) -> HttpResponse {
    // The comment tells the client at once that it is connected.
    let greeting = format!("retry: {}\n: connected\n\n", retry.as_millis());
    let greeting = stream::iter([Bytes::from(greeting)]);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Without this header, nginx buffers the stream.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(greeting.chain(events).map(Ok::<_, Infallible>))
}

/// Formats one event. A line break in `data` would end the field, so it becomes a space.
pub fn event(name: &str, id: Option<i64>, data: &str) -> String {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("event: {name}\n{id}data: {}\n\n", data.replace(['\r', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_contain_another_event() {
        assert_eq!(event("changed", Some(7), "one\n\nevent: evil\r\n").lines().count(), 4);
    }
}
