//! What every request that changes the catalog has in common.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::IF_MATCH;
use actix_web::{FromRequest, HttpRequest};
use event_bus::TraceContext;
use service_kit::auth::{Authorized, Scope};
use service_kit::idempotency_key::Key;
use service_kit::problem::Problem;
use service_kit::trace::RequestTrace;

use crate::idempotency::Request;

/// The right to change the catalog.
#[derive(Debug, Clone)]
pub struct CatalogWrite;

impl Scope for CatalogWrite {
    const NAME: &'static str = "catalog:write";
}

/// The caller, the trace and the `Idempotency-Key` of a change. Reading it answers 401 or 403 before the body is read.
#[derive(Debug, Clone)]
pub struct Command {
    subject: String,
    method: String,
    path: String,
    key: Option<Key>,
    if_match: Vec<u8>,
    /// The trace that the events of this change belong to.
    pub trace: TraceContext,
    /// Set if a repetition of the request must get the same answer.
    pub request: Option<Request>,
}

impl Command {
    /// Has the answer kept under the request's `Idempotency-Key`, if it has one.
    #[must_use]
    pub fn repeatable(mut self, body: &[u8]) -> Self {
        let operation = (self.method.as_str(), self.path.as_str());
        self.request =
            self.key.take().map(|key| Request::new(&self.subject, operation, key, &self.if_match, body));
        self
    }
}

impl FromRequest for Command {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let authorized = Authorized::<CatalogWrite>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let identity = authorized.await?.identity;
            let trace = RequestTrace::extract(&request).await?;
            Ok(Self {
                subject: identity.subject,
                method: request.method().to_string(),
                // Decoded, so that a repetition may spell it in another way.
                path: request.match_info().as_str().to_owned(),
                key: Key::of(&request)?,
                if_match: request.headers().get_all(IF_MATCH).fold(Vec::new(), |all, value| {
                    [&all, b"if-match: ".as_slice(), value.as_bytes(), b"\n"].concat()
                }),
                trace: trace.context,
                request: None,
            })
        })
    }
}
