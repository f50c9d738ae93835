//! One other service, and one call to it.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::trace::RequestTrace;

use super::Trouble;
use crate::session::User;

/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(1);

/// How long a whole call may take, its answer included, unless it says otherwise.
const DEADLINE: Duration = Duration::from_secs(4);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Another service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backend {
    service: &'static str,
    base: Url,
    client: reqwest::Client,
}

/// A call that is being put together.
#[derive(Debug)]
pub struct Request {
    service: &'static str,
    builder: reqwest::RequestBuilder,
    deadline: Duration,
}

/// An answer that was not a refusal, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status: 2xx, or 304.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    service: &'static str,
}

impl Backend {
    /// The service that visitors know as `service`, at the configured address. Does not connect.
    ///
    /// `variable` is the setting's name, for the error when it is no address.
    pub fn new(service: &'static str, variable: &str, url: &str) -> anyhow::Result<Self> {
        let base: Url = url.parse().with_context(|| format!("{variable}: not a URL"))?;
        ensure!(matches!(base.scheme(), "http" | "https"), "{variable}: not an http:// or https:// URL");
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECTING)
            // Nothing that a service answers may send this one elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("cannot set up an HTTP client")?;
        Ok(Self { service, base, client })
    }

    /// A call to a path, given by its segments, and a query. Both are escaped here.
    pub fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> Request {
        let mut url = self.base.clone();
        // An http:// address always has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let builder = self.client.request(method, url).header(ACCEPT, "application/json");
        Request { service: self.service, builder, deadline: DEADLINE }
    }
}

impl Request {
    fn with(mut self, add: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        self.builder = add(self.builder);
        self
    }

    /// Asks on behalf of this user.
    #[must_use]
    pub fn by(self, user: &User) -> Self {
        self.with(|request| request.bearer_auth(user.token.expose_secret()))
    }

    /// Makes the call a part of the visitor's request: the same trace, the same request id.
    #[must_use]
    pub fn within(self, trace: &RequestTrace) -> Self {
        self.with(|request| {
            request.header("traceparent", &trace.traceparent).header("x-request-id", &trace.request_id)
        })
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.with(|request| request.header(name, value))
    }

    /// Adds a JSON body.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Self {
        self.with(|request| request.json(body))
    }

    /// Gives up after `deadline` instead of 4 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Calls, and reads the answer.
    pub async fn send(self) -> Result<Reply, Trouble> {
        let (service, deadline) = (self.service, self.deadline);
        tokio::time::timeout(deadline, async {
            let reply = read(self.open().await?, service).await?;
            reply.accept()
        })
        .await
        .unwrap_or_else(|_elapsed| Err(away(service, &format!("no answer within {deadline:?}"))))
    }

    /// Calls, and reads the answer's JSON.
    pub async fn json_reply<T: DeserializeOwned>(self) -> Result<T, Trouble> {
        self.send().await?.json()
    }

    /// Calls, and returns when the answer's headers are there: its body may be a stream without end.
    ///
    /// There is no deadline for the body; the caller has to have one.
    pub async fn open_stream(self) -> Result<reqwest::Response, Trouble> {
        let (service, deadline) = (self.service, self.deadline);
        let opened = tokio::time::timeout(deadline, async {
            let answer = self.open().await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            let reply = read(answer, service).await?;
            Err(reply.accept().err().unwrap_or_else(|| away(service, "an answer that is no stream")))
        });
        opened.await.unwrap_or_else(|_elapsed| Err(away(service, &format!("no answer within {deadline:?}"))))
    }

    async fn open(self) -> Result<reqwest::Response, Trouble> {
        let service = self.service;
        self.builder.send().await.map_err(|error| broken(service, &error))
    }
}

impl Reply {
    /// Reads the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(&self.body)
            .map_err(|error| away(self.service, &format!("its answer cannot be read: {error}")))
    }

    /// A header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Turns an answer that is a refusal, or a failure, into what it means.
    fn accept(self) -> Result<Self, Trouble> {
        let status = self.status;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("no reason given");
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(Trouble::Refused { service: self.service, status, detail: detail.to_owned() });
        }
        Err(away(self.service, &format!("it answered {status}: {detail}")))
    }
}

async fn read(answer: reqwest::Response, service: &'static str) -> Result<Reply, Trouble> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| broken(service, &error))?;
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(away(service, &format!("its answer is larger than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body, service })
}

fn away(service: &'static str, why: &str) -> Trouble {
    Trouble::Away { service, why: why.to_owned() }
}

/// The error without its address: that may name a person.
fn broken(service: &'static str, error: &reqwest::Error) -> Trouble {
    let mut why =
        if error.is_connect() { "cannot connect".to_owned() } else { "the call broke off".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    Trouble::Away { service, why }
}
