//! What every request passes on its way in and every answer on its way out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError};
use event_bus::span::KeyValue;
use tracing::Instrument;

use super::body;
use super::connections::{Answering, Connection};
use super::documentation::DOCS;
use super::problem_page::ProblemPage;
use crate::problem::Problem;
use crate::settings::HttpSettings;
use crate::trace::{RequestTrace, X_REQUEST_ID};

/// An answer that is no longer than this is with the client's kernel, or on its way there, as good as at once.
const SHORT: u64 = 16 * 1024;

/// Serves one request: names it, bounds it, measures it, and gives its answer the common headers.
pub(super) async fn serve(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let start = Instant::now();
    let method = known_method(request.method());
    // The pattern, not the path: a path may name a person, and would make a time series of its own.
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let (trace, mut step) = RequestTrace::begin(request.headers(), method, &route);
    let is_docs = request.path().starts_with(DOCS);
    let span = tracing::info_span!(
        "request",
        http.request.method = method,
        http.route = route,
        request.id = trace.request_id,
        trace.id = trace.context.trace_id(),
    );
    // What answers GET answers HEAD; the connection itself leaves the body out.
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let request_id = trace.request_id.clone();
    request.extensions_mut().insert(trace.clone());
    let page = request.app_data::<ProblemPage>().copied();
    let version = request.version();

    let _active = Active::start();
    let answering = request.conn_data::<Arc<Connection>>().map(Answering::on);
    let mut outcome = trace.scope(bounded(request, next)).instrument(span.clone()).await;
    if is_head {
        outcome = outcome.map(without_stream);
    }
    let status = outcome.as_ref().map_or_else(Problem::status, ServiceResponse::status);
    measure(start.elapsed(), method, route, status);
    step.set(|| KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        step.fail(status.as_u16().to_string());
    }
    drop(step);
    span.in_scope(|| {
        tracing::debug!(
            http.response.status_code = status.as_u16(),
            duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    if let Ok(answer) = outcome {
        outcome = Ok(name_problem(answer, &request_id));
    }
    match outcome {
        Ok(mut answer) => {
            add_headers(answer.headers_mut(), &request_id, is_docs);
            if version < Version::HTTP_11 {
                end_by_closing(&mut answer);
            }
            let is_short =
                matches!(answer.response().body().size(), BodySize::None | BodySize::Sized(0..=SHORT));
            Ok(if is_short { answer } else { body::hold(answer, answering) })
        }
        Err(problem) => {
            let problem = problem.request_id(&request_id);
            let mut answer = page.map_or_else(|| problem.error_response(), |page| (page.0)(None, &problem));
            add_headers(answer.headers_mut(), &request_id, is_docs);
            Err(InternalError::from_response(problem, answer).into())
        }
    }
}

/// Reads the body and calls the service, both within their limits.
async fn bounded(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Problem> {
    let Some(limits) = request.app_data::<HttpSettings>() else {
        return Err(Problem::internal(&"the server has no limits"));
    };
    let (body_limit, body_time) = (limits.body_limit_bytes, Duration::from_millis(limits.body_timeout_ms));
    let request_time = Duration::from_millis(limits.request_timeout_ms);
    if let Err(answer) = body::buffer(&mut request, body_limit, body_time).await {
        return Ok(ServiceResponse::new(request.into_parts().0, answer));
    }
    match tokio::time::timeout(request_time, next.call(request)).await {
        Ok(Ok(answer)) => Ok(answer.map_into_boxed_body()),
        Ok(Err(error)) => Err(as_problem(&error)),
        Err(_elapsed) => {
            tracing::warn!("a request took too long and was given up");
            Err(Problem::unavailable("the request took too long, try again", 1))
        }
    }
}

/// Drops a body that is a stream: its client went on with the head, so nothing sent would ever fail, and an
/// endless stream would be kept up for nobody.
fn without_stream(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if answer.response().body().size() != BodySize::Stream {
        return answer;
    }
    answer.map_body(|_, _| BoxBody::new(actix_web::body::None::new()))
}

/// Sends a body of unknown length as it is, up to the end of the connection: a client of HTTP/1.0 knows no chunks
/// (RFC 9112, section 6.1).
fn end_by_closing(answer: &mut ServiceResponse<BoxBody>) {
    if answer.response().body().size() == BodySize::Stream {
        let head = answer.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
}

/// Turns an error that is not ours into a problem that says no more than its status.
fn as_problem(error: &Error) -> Problem {
    error
        .as_error::<Problem>()
        .cloned()
        .unwrap_or_else(|| Problem::from_status(error.as_response_error().status_code()))
}

/// Gives a problem the request's id; makes a problem of an error that is not one.
fn name_problem(answer: ServiceResponse<BoxBody>, request_id: &str) -> ServiceResponse<BoxBody> {
    let Some(problem) = answer.response().error().map(as_problem) else {
        return answer;
    };
    let (request, mut old) = answer.into_parts();
    let problem = problem.request_id(request_id);
    let page = request.app_data::<ProblemPage>();
    let named = page.map_or_else(|| problem.error_response(), |page| (page.0)(Some(&request), &problem));
    ServiceResponse::new(request, body::hold_unread(&mut old, named))
}

fn add_headers(headers: &mut HeaderMap, request_id: &str, is_docs: bool) {
    let mut add = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(X_FRAME_OPTIONS, "DENY");
    add(REFERRER_POLICY, "no-referrer");
    add(CACHE_CONTROL, "no-store");
    let policy = if is_docs {
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    add(CONTENT_SECURITY_POLICY, policy);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// The method as a label: what a client invents must not make new time series.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

fn measure(took: Duration, method: &'static str, route: String, status: StatusCode) {
    metrics::histogram!(
        "http_server_request_duration_seconds",
        "http_request_method" => method,
        "http_route" => route,
        "http_response_status_code" => status.as_u16().to_string(),
    )
    .record(took);
}

/// Counts a request as active as long as it lives, also when its client goes away.
struct Active;

impl Active {
    fn start() -> Self {
        metrics::gauge!("http_server_active_requests").increment(1.0);
        Self
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        metrics::gauge!("http_server_active_requests").decrement(1.0);
    }
}
