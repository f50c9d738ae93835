//! Answers with a page, and redirects to one.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
};
use askama::Template;
use service_kit::problem::Problem;

use crate::clients::ClientError;

/// Pages load from this site only, and have no script or style inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The answer to a visitor, or the problem that its page shows.
pub(crate) type Answer = Result<HttpResponse, Problem>;

/// Answers with a page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Answer {
    let text = page.render().map_err(|error| Problem::internal(&error))?;
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        // Not "no-referrer": with that, browsers send forms without their origin.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}

/// Says with the status of a form's page, which shows the error, why another service did not do what the form asks, and
/// when a retry may help.
pub(crate) fn refused(error: &ClientError, mut page: HttpResponse) -> HttpResponse {
    *page.status_mut() = match error {
        ClientError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        ClientError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        ClientError::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    if let Some(seconds) = error.retry_after() {
        page.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    page
}

/// Answers a form with a redirect to a page.
pub(crate) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// The path if it is one of this site, else `/`: a form or a link cannot redirect to another site.
pub(crate) fn local(next: &str) -> &str {
    // No header holds a control character, and a browser takes a backslash for a slash.
    let is_path = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(|c: char| c == '\\' || c.is_control());
    let is_loop = next.starts_with("/sign-");
    if is_path && !is_loop { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leads_to_another_site() {
        for next in
            ["", "//evil.example", "https://evil.example", "/\\evil", "\\\\evil", "/\t/evil", "/sign-in"]
        {
            assert_eq!(local(next), "/", "{next:?}");
        }
        assert_eq!(local("/cart?did=added"), "/cart?did=added");
    }

    #[test]
    fn a_redirect_can_always_be_answered() {
        for next in ["/\0", "/cart\u{1}", "/cart\u{7f}", "/\r\nset-cookie: a=b", "/é", "/\u{85}"] {
            assert!(
                HttpResponse::SeeOther().insert_header((LOCATION, local(next))).finish().status() == 303,
                "{next:?}"
            );
        }
    }
}
