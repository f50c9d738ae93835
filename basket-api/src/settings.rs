//! What can be set, and what a command needs of it.

use anyhow::Context;
use serde::Deserialize;
use service_kit::settings::{
    AuthSettings, BrokerSettings, DatabaseSettings, HttpSettings, LogSettings, Mode,
};

/// The settings of this service. A section that only some commands need may be missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How strict the process is about its own configuration.
    #[serde(default)]
    pub mode: Mode,
    /// Where to listen; port 5102 if nothing is set.
    #[serde(default)]
    pub http: HttpSettings,
    /// What is logged.
    #[serde(default)]
    pub log: LogSettings,
    /// How tokens are checked.
    #[serde(default)]
    pub auth: AuthSettings,
    /// The service's own database.
    database: Option<DatabaseSettings>,
    /// Where events come from.
    broker: Option<BrokerSettings>,
    /// Who is asked about a product that no event has told of.
    catalog: Option<CatalogSettings>,
    /// How many streams of alerts may be open.
    #[serde(default)]
    pub streams: StreamSettings,
}

/// Where the catalog is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogSettings {
    /// The address of catalog-api, such as `http://127.0.0.1:5101`.
    pub url: String,
}

/// The limits of the streams of one process.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Streams open at once. Default 5,000.
    pub max: usize,
    /// Streams open at once of one buyer. Default 16.
    pub max_per_buyer: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { max: 5_000, max_per_buyer: 16 }
    }
}

impl Settings {
    /// The database's section; an error names what to set.
    pub fn database(&self) -> anyhow::Result<&DatabaseSettings> {
        self.database.as_ref().context("setting database.url is missing: set APP__DATABASE__URL")
    }

    /// The broker's section; an error names what to set.
    pub fn broker(&self) -> anyhow::Result<&BrokerSettings> {
        self.broker.as_ref().context("setting broker.url is missing: set APP__BROKER__URL")
    }

    /// The catalog's section; an error names what to set.
    pub fn catalog(&self) -> anyhow::Result<&CatalogSettings> {
        self.catalog.as_ref().context("setting catalog.url is missing: set APP__CATALOG__URL")
    }
}
