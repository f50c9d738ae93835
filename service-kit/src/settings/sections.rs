//! The sections that services put together into their settings.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Origins;

/// How strict the process is about its own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Real secrets are required. The default, so that nobody gets less by forgetting a setting.
    #[default]
    Production,
    /// The published development secret is accepted.
    Development,
}

/// Where the service listens, and what it lets one client do to it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// The address to listen on. Default `127.0.0.1`.
    pub host: String,
    /// The port to listen on; 0 takes a free one. `None`: the service's own default.
    pub port: Option<u16>,
    /// Where browsers find this service's pages, if a proxy in front of it says otherwise in `Host`: their forms are
    /// taken from these origins too. Default none. Only a service with forms reads it.
    #[schema(value_type = String, default = "")]
    pub public_origins: Origins,
    /// Threads that serve requests. `None`: as many as there are processors, at most 4.
    pub workers: Option<usize>,
    /// Connections open at once, over all workers; fewer where the system lets the process open too few files.
    /// Default 10,000.
    pub max_connections: usize,
    /// The largest request body, in bytes. Default 64 KiB.
    pub body_limit_bytes: usize,
    /// How long a client may take to send its request line and headers. Default 5,000.
    pub header_timeout_ms: u64,
    /// How long a client may take to send its body. Default 10,000.
    pub body_timeout_ms: u64,
    /// How long a request may take until its answer begins. Default 15,000.
    pub request_timeout_ms: u64,
    /// How long a client may leave unread, or its machine unacknowledged, what it is sent; then the connection
    /// is ended (on Linux). Default 30,000.
    pub unread_timeout_ms: u64,
    /// How long a connection is kept for the client's next request. Default 30,000.
    pub idle_timeout_ms: u64,
    /// How long requests that run may go on after the order to stop. Default 10.
    pub shutdown_timeout_seconds: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: None,
            public_origins: Origins::default(),
            workers: None,
            max_connections: 10_000,
            body_limit_bytes: 64 * 1024,
            header_timeout_ms: 5_000,
            body_timeout_ms: 10_000,
            request_timeout_ms: 15_000,
            unread_timeout_ms: 30_000,
            idle_timeout_ms: 30_000,
            shutdown_timeout_seconds: 10,
        }
    }
}

impl HttpSettings {
    /// Refuses numbers with which nothing is served, or a client has no limit; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        super::check_ranges(&[
            ("http.workers", number(self.worker_count()), 1, 1_024),
            ("http.max_connections", number(self.max_connections), 1, 1_000_000),
            ("http.body_limit_bytes", number(self.body_limit_bytes), 1, 1024 * 1024 * 1024),
            ("http.header_timeout_ms", self.header_timeout_ms, 1, HOUR_MS),
            ("http.body_timeout_ms", self.body_timeout_ms, 1, HOUR_MS),
            ("http.request_timeout_ms", self.request_timeout_ms, 1, HOUR_MS),
            ("http.unread_timeout_ms", self.unread_timeout_ms, 1, HOUR_MS),
            ("http.idle_timeout_ms", self.idle_timeout_ms, 1, HOUR_MS),
            ("http.shutdown_timeout_seconds", self.shutdown_timeout_seconds, 0, HOUR_MS / 1_000),
        ])
    }

    /// The number of threads that serve requests.
    pub fn worker_count(&self) -> usize {
        let available = || std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(4);
        self.workers.unwrap_or_else(available)
    }
}

/// The longest time of a request, in milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Which database, and how many connections to it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:port/name`; a secret, because it holds the password.
    #[schema(value_type = String)]
    pub url: SecretString,
    /// The most connections. Default 16.
    #[serde(default = "default_max_connections")]
    #[schema(default = 16)]
    pub max_connections: u32,
}

impl DatabaseSettings {
    /// Refuses numbers that cannot be; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        super::check_ranges(&[("database.max_connections", self.max_connections.into(), 1, 10_000)])
    }
}

fn default_max_connections() -> u32 {
    16
}

/// How bearer tokens are checked: by a shared secret, or by the keys at a URL. Exactly one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// The HS256 secret, at least 32 bytes.
    #[schema(value_type = Option<String>, default = json!(null))]
    pub secret: Option<SecretString>,
    /// Where the issuer publishes its keys (RS256, ES256, `EdDSA`).
    pub jwks_url: Option<String>,
    /// The `iss` that a token must have. Default `shop`.
    pub issuer: String,
    /// The `aud` that a token must have. Default `shop`.
    pub audience: String,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { secret: None, jwks_url: None, issuer: "shop".to_owned(), audience: "shop".to_owned() }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Text for people or JSON for programs. Default text.
    pub format: LogFormat,
    /// Which events: a level, and other levels for parts, such as `info,sqlx=warn,basket_api=debug`. Default `info`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where traces go, and which.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSettings {
    /// The base address of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`. `None`: that of the
    /// standard variable `OTEL_EXPORTER_OTLP_ENDPOINT`; without one no traces are exported.
    pub endpoint: Option<String>,
    /// The share of new traces that is exported, from 0 to 1. Whoever sends a `traceparent` has decided for its
    /// trace. Default 1.
    pub sample_ratio: f64,
}

impl Default for TracesSettings {
    fn default() -> Self {
        Self { endpoint: None, sample_ratio: 1.0 }
    }
}
