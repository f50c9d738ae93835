//! An answer that can be kept and given again.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use serde::{Deserialize, Serialize};
use service_kit::problem::{Body, Problem};
use uuid::Uuid;

/// Names the events that a request has caused.
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
/// Marks an answer that was kept and is given again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What was answered: enough to answer the same again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: String,
}

/// The headers that belong to an answer's meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
}

impl Answer {
    /// An answer with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status: status.as_u16(), headers: Headers::default(), body })
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status: status.as_u16(), headers: Headers::default(), body: String::new() }
    }

    /// Adds the entity tag of a version.
    #[must_use]
    pub fn etag(mut self, version: i64) -> Self {
        self.headers.etag = Some(format!("\"{version}\""));
        self
    }

    /// Adds where the new thing is.
    #[must_use]
    pub fn location(mut self, path: String) -> Self {
        self.headers.location = Some(path);
        self
    }

    /// Whether it names events: then there is something new in the outbox.
    pub fn has_events(&self) -> bool {
        self.headers.event_id.is_some()
    }

    /// Names the events that the request has caused; none, no header.
    #[must_use]
    pub fn events(mut self, ids: &[Uuid]) -> Self {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        self.headers.event_id = (!ids.is_empty()).then(|| ids.join(", "));
        self
    }

    /// The kept form of a refusal, without what belongs to one request alone.
    pub fn refusal(problem: &Problem) -> Result<Self, Problem> {
        Self::json(problem.status(), problem.body())
    }

    /// The answer to send. `replayed`: it was kept, and is given again.
    pub fn respond(self, replayed: bool) -> Result<HttpResponse, Problem> {
        let status = StatusCode::from_u16(self.status).map_err(|error| Problem::internal(&error))?;
        if !status.is_success() {
            // A refusal becomes a problem again, so that it gets the id of this request.
            let body: Body = serde_json::from_str(&self.body).map_err(|error| Problem::internal(&error))?;
            return Err(Problem::from(body).header(REPLAYED, "true"));
        }
        let mut response = HttpResponse::build(status);
        for (name, value) in [
            (ETAG, self.headers.etag),
            (LOCATION, self.headers.location),
            (EVENT_ID, self.headers.event_id),
            (REPLAYED, replayed.then(|| "true".to_owned())),
        ] {
            if let Some(value) = value {
                response.insert_header((name, value));
            }
        }
        if self.body.is_empty() {
            return Ok(response.finish());
        }
        Ok(response.insert_header((CONTENT_TYPE, "application/json")).body(self.body))
    }
}
