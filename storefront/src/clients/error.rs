//! Why a call to another service failed, and how a page tells its visitor.

use reqwest::StatusCode;
use service_kit::problem::Problem;

/// When a request is worth sending again if the service does not say, in seconds.
pub(super) const RETRY_AFTER: u32 = 2;

/// Why another service did not do what it was asked to do.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection, no answer in time, or an answer that says "not now". A retry may help.
    #[error("{service} is unavailable: {cause}")]
    Unavailable { service: String, cause: String },
    /// The service answers no more such requests for now. `retry_after` is in seconds.
    #[error("{service} answered 429: {detail}")]
    TooMany { service: String, detail: String, retry_after: u32 },
    /// The service understood the request and refused it. `detail` may be shown to visitors.
    #[error("{service} answered {status}: {detail}")]
    Refused { service: String, status: StatusCode, detail: String },
}

impl ClientError {
    /// Whether the request was refused with this status.
    pub(crate) fn is(&self, expected: StatusCode) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == expected)
    }

    /// Whether a retry may help.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.retry_after().is_some()
    }

    /// When a retry may help, in seconds; `None` where it does not.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Unavailable { .. } => Some(RETRY_AFTER),
            Self::TooMany { retry_after, .. } => Some(*retry_after),
            Self::Refused { .. } => None,
        }
    }

    /// The sentence that a visitor reads.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Unavailable { service, .. } => {
                format!("The {} does not answer at the moment.", service.replace('_', " "))
            }
            Self::TooMany { detail, .. } => format!("Too many tries. {}", sentence(detail)),
            Self::Refused { detail, .. } => sentence(detail),
        }
    }
}

/// The answer to a visitor whose request needed this service.
impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Unavailable { service, cause } => {
                tracing::warn!(service, cause, "a service is unavailable");
                Self::unavailable(error.message(), RETRY_AFTER)
            }
            ClientError::TooMany { retry_after, .. } => {
                Self::from_status(actix_web::http::StatusCode::TOO_MANY_REQUESTS)
                    .detail(error.message())
                    .header(actix_web::http::header::RETRY_AFTER, &retry_after.to_string())
            }
            ClientError::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED => {
                Self::unauthorized(None, "your session is over: sign in again")
            }
            ClientError::Refused { status, .. } => {
                let status = actix_web::http::StatusCode::from_u16(status.as_u16()).unwrap_or_default();
                Self::from_status(status).detail(error.message())
            }
        }
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = characters.as_str();
    let stop = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}
