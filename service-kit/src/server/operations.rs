//! Health and metrics.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Readiness, Stopping};

/// What the documents call these.
pub(super) const TAG: &str = "operations";

pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(live).service(ready).service(metrics);
}

/// How the service is.
#[derive(Serialize, utoipa::ToSchema)]
struct Health {
    /// `ok`, `failing` or `stopping`.
    status: &'static str,
    /// `ok` or `failing`, for each thing that the service needs.
    checks: BTreeMap<&'static str, &'static str>,
}

/// Says that the process runs.
#[utoipa::path(tag = TAG, responses((status = 200, description = "the process runs", body = Health)))]
#[get("/health/live")]
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", checks: BTreeMap::new() })
}

/// Says whether the service can do its work: what it needs is there, and it is not stopping.
#[utoipa::path(
    tag = TAG,
    responses(
        (status = 200, description = "ready", body = Health),
        (status = 503, description = "not ready", body = Health),
    )
)]
#[get("/health/ready")]
async fn ready(readiness: web::Data<Readiness>, stopping: web::Data<Stopping>) -> HttpResponse {
    let name = |passed: bool| if passed { "ok" } else { "failing" };
    let checks = readiness.run().await;
    let passed = checks.iter().all(|(_, passed)| *passed);
    let status = if stopping.0.is_cancelled() { "stopping" } else { name(passed) };
    let code = if status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks =
        checks.into_iter().chain(readiness.shown()).map(|(check, passed)| (check, name(passed))).collect();
    HttpResponse::build(code).json(Health { status, checks })
}

/// The service's figures, in Prometheus's text form.
#[utoipa::path(
    tag = TAG,
    responses((status = 200, description = "the figures", body = String, content_type = "text/plain"))
)]
#[get("/metrics")]
async fn metrics(recorder: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(recorder.render())
}
