//! The export of traces over OTLP (HTTP, protobuf), where a collector is set.
//!
//! Without one no tracer provider is set, and no step of a request is recorded.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter as Export};
use url::Url;

use crate::settings::TracesSettings;

/// How long the collector may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long the end of the process waits for spans that are not exported yet.
const FLUSH: Duration = Duration::from_secs(2);

/// The standard variables that name a collector.
const STANDARD: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Whether spans are exported.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Whether this process exports spans.
pub fn are_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The export of this process's spans.
#[must_use = "spans that are not exported yet are lost unless it is ended"]
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

/// Begins to export spans if a collector is set. An error names the setting. Nothing is connected yet.
pub fn export(
    settings: &TracesSettings,
    service: &'static str,
    version: &'static str,
) -> anyhow::Result<Traces> {
    ensure!(
        (0.0..=1.0).contains(&settings.sample_ratio),
        "setting traces.sample_ratio (APP__TRACES__SAMPLE_RATIO): {} is not from 0 to 1",
        settings.sample_ratio
    );
    let endpoint = settings.endpoint.as_deref().map(address).transpose()?;
    if is_off(endpoint.is_some()) {
        return Ok(Traces(None));
    }
    let mut exporter = SpanExporter::builder().with_http().with_timeout(DEADLINE);
    if let Some(endpoint) = endpoint {
        exporter = exporter.with_endpoint(endpoint);
    }
    let once_more = RetryPolicy::recommended().with_max_retries(1);
    let exporter = exporter.with_retry_policy(once_more).build().context("cannot export traces")?;
    let mut resource = Resource::builder().with_attribute(KeyValue::new("service.version", version));
    if !is_set("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name(service);
    }
    let mut provider = SdkTracerProvider::builder()
        .with_batch_exporter(Reporting { exporter, is_failing: AtomicBool::new(false) })
        .with_resource(resource.build());
    if !is_set("OTEL_TRACES_SAMPLER") {
        let of_new = Sampler::TraceIdRatioBased(settings.sample_ratio);
        provider = provider.with_sampler(Sampler::ParentBased(Box::new(of_new)));
    }
    let provider = provider.build();
    global::set_tracer_provider(provider.clone());
    IS_ON.store(true, Ordering::Relaxed);
    tracing::info!("exporting traces");
    Ok(Traces(Some(provider)))
}

impl Traces {
    /// Exports what is left, for two seconds at most.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        // It blocks.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "the last spans were not exported");
        }
    }
}

/// The address of traces at a collector, from its base address.
fn address(base: &str) -> anyhow::Result<String> {
    let setting = "setting traces.endpoint (APP__TRACES__ENDPOINT)";
    let url: Url = base.parse().with_context(|| format!("{setting}: not a URL"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "{setting}: not an http:// or https:// URL");
    Ok(format!("{}/v1/traces", url.as_str().trim_end_matches('/')))
}

fn is_off(has_endpoint: bool) -> bool {
    let says = |name, word: &str| env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case(word));
    let has_collector = has_endpoint || STANDARD.into_iter().any(is_set);
    !has_collector || says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none")
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Says once that the collector takes nothing, and once that it does again.
#[derive(Debug)]
struct Reporting {
    exporter: SpanExporter,
    is_failing: AtomicBool,
}

impl Export for Reporting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.exporter.export(batch).await;
        match (&outcome, self.is_failing.swap(outcome.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(%error, "traces cannot be exported: spans are lost until the collector takes them");
            }
            (Err(error), true) => tracing::debug!(%error, "traces still cannot be exported"),
            (Ok(()), true) => tracing::info!("traces are exported again"),
            (Ok(()), false) => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_collector_or_ratio_is_refused_with_the_settings_name() {
        for endpoint in ["", "localhost", "grpc://localhost:4317", "http://"] {
            let settings =
                TracesSettings { endpoint: Some(endpoint.to_owned()), ..TracesSettings::default() };
            let error = export(&settings, "a", "1").expect_err(endpoint);
            assert!(error.to_string().contains("APP__TRACES__ENDPOINT"), "{error:#}");
        }
        for sample_ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = export(&TracesSettings { sample_ratio, ..TracesSettings::default() }, "a", "1");
            let error = error.expect_err("a ratio").to_string();
            assert!(error.contains("APP__TRACES__SAMPLE_RATIO"), "{error}");
        }
        assert_eq!(address("http://c:4318/").expect("an address"), "http://c:4318/v1/traces");
        assert_eq!(address("https://c/otlp").expect("an address"), "https://c/otlp/v1/traces");
    }
}
