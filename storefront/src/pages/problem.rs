//! The page of a problem.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use service_kit::problem::Problem;
use service_kit::server::ProblemPage;

use super::{Frame, html, see_other};

/// Shows problems as pages. A visitor who has to sign in is redirected.
pub(crate) const PROBLEM_PAGE: ProblemPage = ProblemPage(show);

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    frame: Frame,
    heading: &'a str,
    reason: Option<&'a str>,
    request_id: Option<&'a str>,
    /// Whether the page is worth asking for again by itself.
    is_passing: bool,
}

fn show(request: Option<&HttpRequest>, problem: &Problem) -> HttpResponse {
    let status = problem.status();
    if status == StatusCode::UNAUTHORIZED
        && let Some(request) = request
    {
        return sign_in_first(request);
    }
    let heading = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "This is not for you",
        StatusCode::SERVICE_UNAVAILABLE => "Just a moment",
        status if status.is_server_error() => "Something went wrong on our side",
        _ => "That did not work",
    };
    let page = Page {
        frame: Frame::bare(heading),
        heading,
        reason: problem.reason(),
        request_id: problem.named(),
        is_passing: status == StatusCode::SERVICE_UNAVAILABLE
            && request.is_none_or(|request| request.method() == Method::GET),
    };
    let mut answer = html(status, &page).unwrap_or_else(|_| HttpResponse::build(status).finish());
    if let Some(seconds) = problem.error_response().headers().get(header::RETRY_AFTER) {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
    }
    answer
}

/// Leads to the page for signing in and, if that was for looking at something, back again.
fn sign_in_first(request: &HttpRequest) -> HttpResponse {
    let referrer = request.headers().get(header::REFERER).and_then(|value| value.to_str().ok());
    let next = if request.method() == Method::GET {
        request.uri().path_and_query().map(|here| here.as_str().to_owned())
    } else {
        // A form that needs somebody: afterwards, the page that the form is on.
        referrer.and_then(|page| page.parse::<actix_web::http::Uri>().ok()).map(|page| page.path().to_owned())
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next.as_deref().unwrap_or("/"))
        .finish();
    see_other(&format!("/sign-in?{query}"))
}
