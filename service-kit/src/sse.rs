//! Server-sent events.
//!
//! Source of the format: WHATWG HTML, section 9.2.

mod open;
mod poller;

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};

pub use self::open::{OpenStream, OpenStreams, StreamEnd};
pub use self::poller::{StreamPool, StreamSettings};
use crate::problem::Problem;

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

/// The id of the last event that the client has received, from its `Last-Event-ID`; 400 for what is no id.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| {
        let detail = "the header last-event-id must be the id of an event of this stream";
        Problem::validation(detail).parameter("Last-Event-ID", detail)
    })
}

/// Why a stream cannot be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooManyStreams {
    /// This buyer has reached the limit of streams per buyer.
    OfBuyer,
    /// This process has reached its limit.
    OfProcess,
}

/// How long a client should wait that could not open a stream, in seconds.
const STREAM_RETRY_AFTER: u32 = 30;

impl From<TooManyStreams> for Problem {
    fn from(reason: TooManyStreams) -> Self {
        let (status, detail) = match reason {
            TooManyStreams::OfBuyer => {
                (StatusCode::TOO_MANY_REQUESTS, "too many streams of this buyer are open")
            }
            TooManyStreams::OfProcess => (StatusCode::SERVICE_UNAVAILABLE, "too many streams are open"),
        };
        Self::new(status, "too-many-streams", "too many streams are open")
            .detail(format!("{detail}: close one, or try again later"))
            .header(RETRY_AFTER, &STREAM_RETRY_AFTER.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_contain_another_event() {
        assert_eq!(event("changed", Some(7), "one\n\nevent: evil\r\n").lines().count(), 4);
    }
}
