//! An answer that can be kept for a repetition of the request.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use serde::{Deserialize, Serialize};
use service_kit::problem::{Body, Problem};
use uuid::Uuid;

/// Names the events of a change.
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
/// Marks the answer to a repetition.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Status, headers and body of an answer.
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

    /// Adds the path of the new product.
    #[must_use]
    pub fn location(mut self, path: String) -> Self {
        self.headers.location = Some(path);
        self
    }

    /// Whether the outbox has new events.
    pub fn has_events(&self) -> bool {
        self.headers.event_id.is_some()
    }

    /// Adds the ids of the change's events; no header without events.
    #[must_use]
    pub fn events(mut self, ids: &[Uuid]) -> Self {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        self.headers.event_id = (!ids.is_empty()).then(|| ids.join(", "));
        self
    }

    /// The form in which a refusal is kept, without the request's id.
    pub fn refusal(problem: &Problem) -> Result<Self, Problem> {
        Self::json(problem.status(), problem.body())
    }

    /// Makes the response. `replayed`: it answers a repetition.
    pub fn respond(self, replayed: bool) -> Result<HttpResponse, Problem> {
        let status = StatusCode::from_u16(self.status).map_err(|error| Problem::internal(&error))?;
        if !status.is_success() {
            // A refusal becomes a problem again and gets the id of this request.
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
