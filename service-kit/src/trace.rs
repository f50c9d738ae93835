//! Who asked (request id) and on whose behalf (W3C trace context).

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use uuid::Uuid;

use crate::problem::Problem;

/// The header that names a request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken over from a client, in characters.
const MAX_REQUEST_ID: usize = 128;
/// The longest `tracestate` that is passed on, in characters (W3C: at least 512).
const MAX_TRACESTATE: usize = 512;

/// The request's identity, as every part of the service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTrace {
    /// The value of `X-Request-Id`: the client's, where it has one that can be used, else a new one.
    pub request_id: String,
    /// The `traceparent` to store and to pass on: the client's, if valid, else a new one.
    pub traceparent: String,
    /// The `tracestate` that belongs to the client's `traceparent`.
    pub tracestate: Option<String>,
}

impl RequestTrace {
    /// Reads a request's headers; makes new values for what is missing or not valid.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(X_REQUEST_ID.as_str())
            .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
            .map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned);
        match text("traceparent").and_then(read_traceparent) {
            Some(traceparent) => Self {
                request_id,
                traceparent,
                tracestate: text("tracestate")
                    .filter(|state| (1..=MAX_TRACESTATE).contains(&state.len()))
                    .map(ToOwned::to_owned),
            },
            None => Self { request_id, traceparent: new_traceparent(), tracestate: None },
        }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }
}

impl FromRequest for RequestTrace {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Self>().cloned();
        std::future::ready(Ok(known.unwrap_or_else(|| Self::from_headers(request.headers()))))
    }
}

/// Reads a `traceparent` of version 00, or what a later version has in common with it, as version 00.
fn read_traceparent(value: &str) -> Option<String> {
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_good = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(parent, 16)
        && !is_zero(parent)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    is_good.then(|| format!("00-{trace}-{parent}-{flags}"))
}

/// A new trace that nobody has recorded.
fn new_traceparent() -> String {
    let span = Uuid::new_v4().simple().to_string();
    format!("00-{}-{}-00", Uuid::new_v4().simple(), span.get(..16).unwrap_or_default())
}
