//! The one HTTP client of this service. Every call has a deadline, and every answer a size limit.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::trace::RequestTrace;

use super::error::RETRY_AFTER;
use super::{ClientError, Result};
use crate::session::User;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a whole call may take, its answer included, unless the call sets another deadline.
const DEADLINE: Duration = Duration::from_secs(4);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A client of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: String,
    base: Url,
    http: reqwest::Client,
}

/// A call that is being built.
#[derive(Debug)]
pub(crate) struct Request {
    service: String,
    builder: Result<RequestBuilder>,
    deadline: Duration,
}

/// An answer with status 2xx or 304, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    service: String,
}

impl Client {
    /// A client of the service that visitors know as `service`. Does not connect.
    ///
    /// `variable` is the setting that holds the URL; the error names it.
    pub(crate) fn new(service: &str, variable: &str, url: &str) -> anyhow::Result<Self> {
        let base: Url = url.parse().with_context(|| format!("{variable}: not a URL"))?;
        ensure!(matches!(base.scheme(), "http" | "https"), "{variable}: not an http:// or https:// URL");
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // An answer cannot make this service call another host.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot set up an HTTP client")?;
        Ok(Self { service: service.to_owned(), base, http })
    }

    /// The name that visitors know the service by.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// A GET of a path, given by its segments, with a query.
    pub(crate) fn get(&self, path: &[&str], query: &[(&str, String)]) -> Request {
        self.request(Method::GET, path, query)
    }

    /// A call to a path, given by its segments, with a query. This function escapes both. It is refused with 400 if a
    /// segment is empty or only dots: a URL drops such a one, and would be another route's.
    pub(crate) fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> Request {
        let is_dropped = |segment: &&str| segment.chars().all(|c| c == '.');
        let builder = if path.iter().any(is_dropped) {
            Err(unsendable(&self.service))
        } else {
            Ok(self.builder(method, path, query))
        };
        Request { service: self.service.clone(), builder, deadline: DEADLINE }
    }

    fn builder(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.base.clone();
        // An http:// URL always has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut builder = self.http.request(method, url).header(ACCEPT, "application/json");
        // The trace and the request id of the visitor's request, if this call is for one.
        for (name, value) in RequestTrace::current().iter().flat_map(RequestTrace::headers) {
            builder = builder.header(name, value);
        }
        builder
    }
}

impl Request {
    /// Calls on behalf of this user.
    pub(crate) fn by(self, user: &User) -> Self {
        self.with(|builder| builder.bearer_auth(user.token.expose_secret()))
    }

    /// The call is refused with 412 unless the resource has this version.
    pub(crate) fn if_version(self, version: i64) -> Self {
        self.header("if-match", &format!("\"{version}\""))
    }

    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        self.with(|builder| builder.header(name, value))
    }

    pub(crate) fn body(self, body: &impl Serialize) -> Self {
        self.with(|builder| builder.json(body))
    }

    fn with(mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.builder = self.builder.map(change);
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Calls, and reads the answer.
    pub(crate) async fn send(self) -> Result<Reply> {
        let Self { service, builder, deadline } = self;
        let answer = open(&service, builder?.timeout(deadline)).await?;
        check(read(&service, answer).await?)
    }

    /// Calls, and reads the answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T> {
        self.send().await?.json()
    }

    /// Calls, and returns when the headers have arrived. The body is an endless stream without a deadline.
    pub(crate) async fn open_stream(self) -> Result<Response> {
        let Self { service, builder, deadline } = self;
        let call = async {
            let answer = open(&service, builder?).await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            check(read(&service, answer).await?)?;
            Err(unavailable(&service, "the answer is no stream"))
        };
        let answer = tokio::time::timeout(deadline, call).await;
        answer.unwrap_or_else(|_elapsed| Err(unavailable(&service, format!("no answer within {deadline:?}"))))
    }
}

impl Reply {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| unavailable(&self.service, format!("its answer cannot be read: {error}")))
    }

    /// A header, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn open(service: &str, builder: RequestBuilder) -> Result<Response> {
    builder.send().await.map_err(|error| broken(service, error))
}

async fn read(service: &str, mut answer: Response) -> Result<Reply> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| broken(service, error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(unavailable(service, format!("its answer is larger than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body, service: service.to_owned() })
}

/// Turns an answer that is a refusal or a failure into an error.
fn check(reply: Reply) -> Result<Reply> {
    let status = reply.status;
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(reply);
    }
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("no reason given");
    if status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = reply.header("retry-after").and_then(|seconds| seconds.parse().ok());
        let (detail, retry_after) = (detail.to_owned(), retry_after.unwrap_or(RETRY_AFTER));
        return Err(ClientError::TooMany { service: reply.service, detail, retry_after });
    }
    if status.is_client_error() {
        return Err(ClientError::Refused { service: reply.service, status, detail: detail.to_owned() });
    }
    Err(unavailable(&reply.service, format!("it answered {status}: {detail}")))
}

fn unavailable(service: &str, cause: impl Into<String>) -> ClientError {
    ClientError::Unavailable { service: service.to_owned(), cause: cause.into() }
}

/// What a visitor has sent cannot be sent on: in a path, or in a header.
fn unsendable(service: &str) -> ClientError {
    let detail = "what was sent cannot be part of a request".to_owned();
    ClientError::Refused { service: service.to_owned(), status: StatusCode::BAD_REQUEST, detail }
}

/// The error without its URL, which may name a person.
fn broken(service: &str, error: reqwest::Error) -> ClientError {
    // Such as a control character in a header. Sent again, it fails again.
    if error.is_builder() {
        return unsendable(service);
    }
    unavailable(service, format!("{:#}", anyhow::Error::new(error.without_url())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_sent_is_refused_and_not_called_an_outage() {
        let client = Client::new("basket", "URL", "http://127.0.0.1:1").unwrap();
        for path in [["lists", ".."], ["lists", "."], ["lists", ""]] {
            let error = client.get(&path, &[]).send().await.unwrap_err();
            assert!(error.is(StatusCode::BAD_REQUEST), "{path:?}: {error}");
        }
        let key = client.get(&["orders"], &[]).header("idempotency-key", "\n").send().await.unwrap_err();
        assert!(key.is(StatusCode::BAD_REQUEST), "{key}");
        let away = client.get(&["lists", "a..b"], &[]).send().await.unwrap_err();
        assert!(away.is_unavailable(), "{away}");
    }
}
