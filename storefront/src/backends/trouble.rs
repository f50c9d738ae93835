//! What can go wrong between this service and another.

use reqwest::StatusCode;
use service_kit::problem::Problem;

/// How soon a page whose service is away is worth asking for again, in seconds.
const RETRY_AFTER: u32 = 2;

/// Why another service did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// No connection, no answer in time, or one that says "not now". Asking again later may help.
    #[error("{service} is away: {why}")]
    Away {
        /// Which service, as its visitors know it.
        service: &'static str,
        /// What was seen of it, for the log.
        why: String,
    },
    /// It understood and said no.
    #[error("{service} answered {status}: {detail}")]
    Refused {
        /// Which service.
        service: &'static str,
        /// Its answer's status.
        status: StatusCode,
        /// Its reason, in words that can be shown.
        detail: String,
    },
}

impl Trouble {
    /// Whether it was understood and refused with this status.
    pub fn is(&self, asked: StatusCode) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == asked)
    }

    /// Whether asking again later may help.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// What a visitor is told.
    pub fn sentence(&self) -> String {
        match self {
            Self::Away { service, .. } => format!("The {service} does not answer at the moment."),
            Self::Refused { detail, .. } => capitalised(detail),
        }
    }
}

/// The same trouble, as the answer to a visitor who asked for just this.
impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match &trouble {
            Trouble::Away { service, why } => {
                tracing::warn!(service, why, "a service is away");
                Self::unavailable(trouble.sentence(), RETRY_AFTER)
            }
            Trouble::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED => {
                Self::unauthorized(None, "your session is over: sign in again")
            }
            Trouble::Refused { status, .. } => {
                let status = actix_web::http::StatusCode::from_u16(status.as_u16()).unwrap_or_default();
                Self::from_status(status).detail(trouble.sentence())
            }
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest = characters.as_str();
    let stop = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}
