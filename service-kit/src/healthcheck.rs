//! The `healthcheck` subcommand: asks the running service whether it is ready.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::settings::HttpSettings;

/// How long the service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the service on the configured port whether it is ready; an error says why it is not.
pub async fn run(settings: &HttpSettings, default_port: u16) -> anyhow::Result<()> {
    // A service that listens everywhere is asked on this machine.
    let host = match settings.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    };
    let url = format!("http://{host}:{}/health/ready", settings.port.unwrap_or(default_port));
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().context("cannot ask")?;
    let answer = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
    ensure!(answer.status().is_success(), "{url} answered {}", answer.status());
    Ok(())
}
