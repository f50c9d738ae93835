//! The refusals that the routes have in common, for the documentation.
#![expect(dead_code, reason = "documentation alone is made of these")]

use service_kit::problem::Body;
use utoipa::IntoResponses;

/// What is wrong with a body, or with the key that it came with.
#[derive(IntoResponses)]
pub(super) enum WrongBody {
    /// not valid
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Body),
    /// a request with this idempotency-key is still running
    #[response(status = 409, content_type = "application/problem+json")]
    Running(Body),
    /// too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Body),
    /// not JSON
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Body),
    /// an unknown type or brand, or an idempotency-key that was used with another body
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(Body),
}

/// Why there is nothing to change.
#[derive(IntoResponses)]
pub(super) enum WrongTarget {
    /// no such product
    #[response(status = 404, content_type = "application/problem+json")]
    Missing(Body),
    /// it is not at the version of `If-Match`
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(Body),
}

/// No id in the path.
#[derive(IntoResponses)]
#[response(status = 400, description = "no id", content_type = "application/problem+json")]
pub(super) struct WrongId(Body);
