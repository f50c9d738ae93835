//! The problems that every service can have. A service adds its own with [`Problem::new`].

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};

use super::Problem;
use crate::database;
use crate::retry::Passing;

/// How long a client should wait when the database is away, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

impl Problem {
    /// 400: the request says something that cannot be.
    pub fn validation(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation", "the request is not valid").detail(detail)
    }

    /// 401: there is no token, or none that counts.
    ///
    /// `error` is what RFC 6750 calls the error code: `None` when no token was sent at all.
    pub fn unauthorized(error: Option<&str>, detail: impl Into<String>) -> Self {
        let challenge = error.map_or_else(
            || "Bearer realm=\"shop\"".to_owned(),
            |error| format!("Bearer realm=\"shop\", error=\"{error}\""),
        );
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "a valid token is needed")
            .detail(detail)
            .header(WWW_AUTHENTICATE, &challenge)
    }

    /// 403: the token is good, but not for this.
    pub fn forbidden(scope: &str) -> Self {
        let challenge = format!("Bearer realm=\"shop\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Self::new(StatusCode::FORBIDDEN, "forbidden", "the token does not allow this")
            .detail(format!("the token needs the scope {scope}"))
            .header(WWW_AUTHENTICATE, &challenge)
    }

    /// 404: there is no such thing, or none that this caller may know of.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing").detail(detail)
    }

    /// 405: the thing is there, but cannot do this. `allow` is what it can do, like `GET, PUT`.
    pub fn method_not_allowed(allow: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "the method is not allowed here")
            .detail(format!("allowed here: {allow}"))
            .header(ALLOW, allow)
    }

    /// 408: the client took too long to send its request.
    pub fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "the request took too long to arrive")
            .detail(detail)
    }

    /// 409: the request does not fit the present state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "the request conflicts with the present state")
            .detail(detail)
    }

    /// 412: somebody else changed the thing since the caller read it.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "the thing has changed meanwhile")
            .detail(detail)
    }

    /// 413: the body is larger than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large")
            .detail(format!("a body may have at most {limit} bytes"))
    }

    /// 415: the body is not of the type that is read here.
    pub fn unsupported_media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "the body must be JSON")
            .detail("send the body with the header content-type: application/json")
    }

    /// 415: the body is compressed, or encoded in another way.
    pub fn unsupported_encoding() -> Self {
        Self::unsupported_media_type()
            .detail("send the body as it is, without the header content-encoding")
            .header(ACCEPT_ENCODING, "identity")
    }

    /// 422: the request is well formed, but asks for something that makes no sense here.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "the request makes no sense here")
            .detail(detail)
    }

    /// 503: not now; `seconds` is when to ask again.
    pub fn unavailable(detail: impl Into<String>, seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the service cannot do this now")
            .detail(detail)
            .header(RETRY_AFTER, &seconds.to_string())
    }

    /// 500: our fault. The cause goes to the log, never to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request failed");
        Self::from_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A problem that says no more than its status does.
    pub fn from_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("error").to_lowercase();
        let kind = title.replace(' ', "-");
        Self::new(status, &kind, &title)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&sqlx::Error> for Problem {
    fn from(error: &sqlx::Error) -> Self {
        if database::is_away(error) {
            tracing::warn!(error = %error, "the database cannot be used now");
            let mut problem =
                Self::unavailable("the database cannot be used now, try again", RETRY_AFTER_SECONDS);
            problem.0.is_passing = error.is_passing();
            problem
        } else {
            Self::internal(error)
        }
    }
}

impl Passing for Problem {
    fn is_passing(&self) -> bool {
        self.0.is_passing
    }
}
