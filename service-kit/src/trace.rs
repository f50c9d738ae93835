//! The identity of a request: its id, and the W3C trace that it belongs to.

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use event_bus::TraceContext;
use event_bus::span::{KeyValue, Span, SpanKind};
use uuid::Uuid;

use crate::problem::Problem;
use crate::telemetry::traces;

/// The header that names a request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is accepted from a client, in characters.
const MAX_REQUEST_ID: usize = 128;

tokio::task_local! {
    /// The identity of the request that the task answers.
    static CURRENT: RequestTrace;
}

/// The identity of a request, for all parts of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTrace {
    /// The client's `X-Request-Id` if it is valid, else a new one.
    pub request_id: String,
    /// The client's trace if it is valid, else a new one. Never empty.
    pub context: TraceContext,
}

impl RequestTrace {
    /// Reads a request's headers; makes new values for those that are missing or invalid.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(X_REQUEST_ID.as_str())
            .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
            .map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned);
        let context = sent(headers).or_else(new_trace).unwrap_or_default();
        Self { request_id, context }
    }

    /// Begins the step of answering a request, and goes on from it, where traces are exported.
    pub(crate) fn begin(headers: &HeaderMap, method: &'static str, route: &str) -> (Self, Span) {
        let mut trace = Self::from_headers(headers);
        if !traces::are_on() || ["/health", "/metrics"].iter().any(|path| route.starts_with(path)) {
            return (trace, Span::default());
        }
        let describe = || {
            let attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route.to_owned()),
                KeyValue::new("url.scheme", "http"),
            ];
            (format!("{method} {route}"), attributes)
        };
        let span = if sent(headers).is_some() {
            Span::within(&trace.context, SpanKind::Server, describe)
        } else {
            let (name, attributes) = describe();
            Span::first(SpanKind::Server, name, attributes)
        };
        if let Some(context) = span.context() {
            trace.context = context;
        }
        (trace, span)
    }

    /// The identity of the request that is being answered by this task, if one is.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Does something on behalf of this request: it is [`current`](Self::current) meanwhile.
    pub(crate) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The headers that pass this identity on to another service.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let trace = [("traceparent", self.context.traceparent()), ("tracestate", self.context.tracestate())];
        let trace = trace.into_iter().filter_map(|(name, value)| Some((name, value?)));
        trace.chain([("x-request-id", self.request_id.as_str())])
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

/// The trace that the client sent, if it is valid.
fn sent(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::parse(text("traceparent")?, text("tracestate"))
}

/// A new trace that is not recorded.
fn new_trace() -> Option<TraceContext> {
    let span = Uuid::new_v4().simple().to_string();
    let parent = format!("00-{}-{}-00", Uuid::new_v4().simple(), span.get(..16)?);
    TraceContext::parse(&parent, None)
}
