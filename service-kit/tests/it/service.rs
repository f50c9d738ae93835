//! A small service to try the kit on.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::{HttpResponse, get, post, web};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::auth::{Authorized, Identity, Scope, Verifier};
use service_kit::problem::{Json, Problem, Query};
use service_kit::server::{About, Readiness, Server, Stopping};
use service_kit::settings::{AuthSettings, HttpSettings, Mode};
use service_kit::trace::RequestTrace;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::service_config::ServiceConfig;

/// A secret of the tests' own.
pub(crate) const SECRET: &str = "a-secret-of-the-tests-with-enough-bytes";

pub(crate) const ABOUT: About = About {
    name: "trial",
    title: "Trial",
    description: "A service to try the kit on.",
    version: "0.0.0",
    default_port: 0,
};

#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Thing {
    name: String,
    size: u8,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    weight: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Page {
    page_size: u8,
    #[serde(rename = "type")]
    _kind: Option<String>,
}

impl Default for Page {
    fn default() -> Self {
        Self { page_size: 10, _kind: None }
    }
}

struct Write;

impl Scope for Write {
    const NAME: &'static str = "things:write";
}

#[utoipa::path(responses((status = 200)))]
#[post("/things")]
async fn add(thing: Json<Thing>) -> HttpResponse {
    HttpResponse::Ok().json(thing.value)
}

#[utoipa::path(responses((status = 200)))]
#[get("/things")]
async fn list(page: Query<Page>) -> HttpResponse {
    HttpResponse::Ok().json(page.0.page_size)
}

#[utoipa::path(params(("id" = i64, Path)), responses((status = 200)))]
#[get("/things/{id}")]
async fn one(id: web::Path<i64>) -> HttpResponse {
    HttpResponse::Ok().json(*id)
}

#[utoipa::path(responses((status = 200)))]
#[get("/me")]
async fn me(identity: Identity) -> HttpResponse {
    HttpResponse::Ok().json(identity.subject)
}

#[utoipa::path(responses((status = 200)))]
#[post("/write")]
async fn write(_: Authorized<Write>, _: Json<Thing>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

#[utoipa::path(responses((status = 200)))]
#[get("/trace")]
async fn trace(trace: RequestTrace) -> HttpResponse {
    HttpResponse::Ok().json((trace.request_id, trace.context.traceparent(), trace.context.tracestate()))
}

#[utoipa::path(responses((status = 200)))]
#[get("/never")]
async fn never() -> HttpResponse {
    std::future::pending().await
}

#[utoipa::path(responses((status = 500)))]
#[get("/broken")]
async fn broken() -> Result<HttpResponse, Problem> {
    Err(Problem::internal(&"the cause that only the log may know"))
}

#[utoipa::path(responses((status = 200)))]
#[get("/stream")]
async fn endless(stopping: web::Data<Stopping>) -> HttpResponse {
    let beats = stream::once(async { Ok::<_, actix_web::Error>(web::Bytes::from_static(b"beat\n")) });
    let endless = beats.chain(stream::pending()).take_until(stopping.0.clone().cancelled_owned());
    HttpResponse::Ok().streaming(endless)
}

/// Told when a flood is dropped.
pub(crate) static FLOOD_ENDED: tokio::sync::Notify = tokio::sync::Notify::const_new();

struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        FLOOD_ENDED.notify_one();
    }
}

#[utoipa::path(responses((status = 200)))]
#[get("/flood")]
async fn flood() -> HttpResponse {
    let ended = Ended;
    let chunks = stream::repeat_with(move || {
        let _ended = &ended;
        Ok::<_, actix_web::Error>(web::Bytes::from_static(&[b'x'; 4096]))
    });
    HttpResponse::Ok().streaming(chunks)
}

fn routes(config: &mut ServiceConfig<'_>) {
    config.service(add).service(list).service(one).service(me).service(write);
    config.service(trace).service(never).service(broken).service(endless).service(flood);
}

/// A running service; it stops when this is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    pub(crate) stop: CancellationToken,
    pub(crate) served: Option<tokio::task::JoinHandle<anyhow::Result<()>>>,
}

impl Service {
    /// Starts a service with short limits.
    pub(crate) fn start() -> Self {
        Self::with(&AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() }, Readiness::new())
    }

    /// Starts a service with short limits, and these rules and checks.
    pub(crate) fn with(auth: &AuthSettings, readiness: Readiness) -> Self {
        let limits = HttpSettings {
            body_limit_bytes: 1024,
            header_timeout_ms: 300,
            body_timeout_ms: 300,
            request_timeout_ms: 300,
            shutdown_timeout_seconds: 5,
            ..HttpSettings::default()
        };
        Self::limited(limits, auth, readiness)
    }

    /// Starts a service with these limits.
    pub(crate) fn limited(limits: HttpSettings, auth: &AuthSettings, readiness: Readiness) -> Self {
        let settings = HttpSettings { port: Some(0), workers: Some(1), ..limits };
        let verifier = Verifier::new(auth, Mode::Production).expect("good settings");
        let stop = CancellationToken::new();
        let server = Server::bind(&settings, ABOUT, verifier, readiness, routes, &stop).expect("a free port");
        let address = server.address();
        let running = Some(tokio::spawn(server.run()));
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        Self { address, client, stop, served: running }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.expect("an answer")
    }

    /// Posts text as JSON to `/things`.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.client.post(self.url("/things")).header("content-type", "application/json");
        request.body(body).send().await.expect("an answer")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Checks that an answer is a problem of this status and kind, and returns it.
pub(crate) async fn problem(answer: reqwest::Response, status: u16, kind: &str) -> Value {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let request_id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["type"], format!("/problems/{kind}"), "{body}");
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], request_id);
    assert!(body["title"].is_string());
    body
}
