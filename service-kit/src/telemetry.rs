//! Logs, traces, and the Prometheus recorder.

pub mod traces;

use std::io::IsTerminal;
use std::sync::OnceLock;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, LogSettings};

/// Upper bounds, in seconds, of everything whose name ends in `_seconds`.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Sends logs to standard output. A second call in the same process changes nothing.
///
/// The error names the setting when the filter cannot be read.
pub fn init(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = read(&settings.filter).with_context(|| {
        format!("setting log.filter: cannot read {:?}: write levels, such as info,sqlx=warn", settings.filter)
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let already_set = match settings.format {
        LogFormat::Text => {
            // Colours are for people: a file or a pipe gets plain text.
            let colours = std::io::stdout().is_terminal();
            registry.with(tracing_subscriber::fmt::layer().with_ansi(colours)).try_init()
        }
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true)).try_init()
        }
    };
    if already_set.is_err() {
        tracing::debug!("logging was already set up");
    }
    Ok(())
}

/// Reads `LEVEL` and `PART=LEVEL`, separated by commas; `None` where it is something else.
fn read(text: &str) -> Option<Targets> {
    // Libraries that report as an error of their own what we handle, and report ourselves. A filter that names
    // one of them wins.
    let mut filter =
        Targets::new().with_target("lapin", LevelFilter::OFF).with_target("actix_server", LevelFilter::WARN);
    for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        filter = match directive.split_once('=') {
            Some((part, level)) => filter.with_target(name(part)?, name(level)?.parse::<LevelFilter>().ok()?),
            None => filter.with_default(directive.parse::<LevelFilter>().ok()?),
        };
    }
    Some(filter)
}

/// The text, if it can name a module or a level: to the library, an empty one is a name of either.
fn name(text: &str) -> Option<&str> {
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_:".contains(c));
    is_name.then_some(text)
}

/// Installs the process's Prometheus recorder, or returns the one that is there.
pub fn recorder() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("cannot set up metrics")?
        .build_recorder();
    // Two threads may get here at once: the one whose handle is kept installs its recorder.
    let mine = recorder.handle();
    let kept = HANDLE.get_or_init(|| {
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed: /metrics will be empty");
        }
        mine
    });
    describe();
    Ok(kept.clone())
}

/// Says which build runs, as the gauge `build_info`.
pub fn build_info(version: &'static str) {
    let commit = option_env!("SHOP_COMMIT").unwrap_or("unknown");
    metrics::gauge!("build_info", "version" => version, "commit" => commit).set(1.0);
}

fn describe() {
    metrics::describe_gauge!("build_info", "Which build runs; always 1.");
    metrics::describe_histogram!(
        "http_server_request_duration_seconds",
        "Time from a request's headers to its answer's headers, by route, method and status."
    );
    metrics::describe_gauge!("http_server_active_requests", "Requests that are being answered.");
    metrics::describe_gauge!("db_pool_connections", "Connections to the database, by state.");
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_levels_for_all_and_for_parts_and_nothing_else() {
        let filter = read("warn, sqlx::query=debug,lapin=info,").expect("a filter");
        for (part, level, shown) in [
            ("basket_api", Level::WARN, true),
            ("basket_api", Level::INFO, false),
            ("sqlx::query", Level::DEBUG, true),
            ("lapin", Level::INFO, true),
            ("actix_server", Level::INFO, false),
        ] {
            assert_eq!(filter.would_enable(part, &level), shown, "{part} {level}");
        }
        for wrong in ["loud", "sqlx=loud", "shop[span]=debug", "a part=info", "sqlx", "=debug", "sqlx="] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
