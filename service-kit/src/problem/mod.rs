//! RFC 9457 problem details: the one way a service of ours says no.

mod extract;
mod kinds;
mod locate;
mod objects;

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};

pub use extract::{Json, OptionalJson, Path, Query, path_config};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done, in the words of RFC 9457.
///
/// It never carries an internal cause: that goes to the log, see [`Problem::internal`].
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the same request may work at once.
    is_passing: bool,
}

/// The document that a client reads.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// What kind of problem it is: a URI reference that stays the same over time.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation")]
    kind: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Where in the request it is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// The value of the answer's `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// What only problems of this kind have.
    #[serde(flatten)]
    #[schema(ignore)]
    members: BTreeMap<String, String>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// What is wrong.
    detail: String,
    /// A JSON pointer into the body, as a URI fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "#/price")]
    pointer: Option<String>,
    /// The name of the parameter, where the fault is not in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "pageSize")]
    parameter: Option<String>,
}

impl Problem {
    /// A problem of the kind `/problems/{kind}`.
    pub fn new(status: StatusCode, kind: &str, title: &str) -> Self {
        Self(Box::new(Parts {
            status,
            headers: Vec::new(),
            is_passing: false,
            body: Body {
                kind: format!("/problems/{kind}"),
                title: title.to_owned(),
                status: status.as_u16(),
                detail: None,
                errors: Vec::new(),
                request_id: None,
                members: BTreeMap::new(),
            },
        }))
    }

    /// Says what is wrong with this request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.body.detail = Some(detail.into());
        self
    }

    /// Adds a place in the body: `pointer` is like `#/price`.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let fault = Fault { detail: detail.into(), pointer: Some(pointer.into()), parameter: None };
        self.0.body.errors.push(fault);
        self
    }

    /// Adds a parameter of the path, the query or the headers that is wrong.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        let fault = Fault { detail: detail.into(), pointer: None, parameter: Some(name.into()) };
        self.0.body.errors.push(fault);
        self
    }

    /// Adds a member that problems of this kind have (RFC 9457, section 3.2).
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.body.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer. A value that no header can have is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.push((name, value));
        }
        self
    }

    /// Names the request, as the server does for every problem on its way out.
    #[must_use]
    pub fn request_id(mut self, id: &str) -> Self {
        self.0.body.request_id = Some(id.to_owned());
        self
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What is wrong with this request, where that was said.
    pub fn reason(&self) -> Option<&str> {
        self.0.body.detail.as_deref()
    }

    /// The request's id, once the server has named it.
    pub fn named(&self) -> Option<&str> {
        self.0.body.request_id.as_deref()
    }

    /// The document, for an answer that is kept and given again.
    pub fn body(&self) -> &Body {
        &self.0.body
    }
}

/// A kept document becomes a problem again; its headers are not part of it.
impl From<Body> for Problem {
    fn from(body: Body) -> Self {
        let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self(Box::new(Parts { status, body, headers: Vec::new(), is_passing: false }))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = &self.0.body;
        write!(f, "{} {}", body.status, body.title)?;
        body.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        for header in &self.0.headers {
            response.append_header(header.clone());
        }
        // `json` keeps a content type that is already there.
        response.content_type(MEDIA_TYPE).json(&self.0.body)
    }
}
