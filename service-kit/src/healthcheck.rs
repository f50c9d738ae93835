//! The `healthcheck` subcommand: asks the running service whether it is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::settings::HttpSettings;

/// How long the service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the service on the configured port whether it is ready; an error says why it is not.
pub async fn run(settings: &HttpSettings, default_port: u16) -> anyhow::Result<()> {
    let url = url(settings, default_port);
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().context("cannot ask")?;
    let answer = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
    ensure!(answer.status().is_success(), "{url} answered {}", answer.status());
    Ok(())
}

fn url(settings: &HttpSettings, default_port: u16) -> String {
    let (host, port) = (settings.host.as_str(), settings.port.unwrap_or(default_port));
    let authority = match host.parse::<IpAddr>() {
        // A service that listens everywhere is asked on this machine.
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
        }
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => {
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)).to_string()
        }
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    };
    format!("http://{authority}/health/ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_where_it_listens() {
        for (host, asked) in [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "[::1]"),
            ("::1", "[::1]"),
            ("fd00::7", "[fd00::7]"),
            ("localhost", "localhost"),
            ("basket", "basket"),
        ] {
            let settings = HttpSettings { host: host.to_owned(), ..HttpSettings::default() };
            let url = url(&settings, 5102);
            assert_eq!(url, format!("http://{asked}:5102/health/ready"));
            assert!(reqwest::Url::parse(&url).is_ok(), "{url}");
        }
    }
}
