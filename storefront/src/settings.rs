//! What can be set.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde::Deserialize;
use service_kit::settings::{AuthSettings, HttpSettings, LogSettings, Mode};

/// The settings of this service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How strict the process is about its own configuration. Signing in by name needs development mode.
    #[serde(default)]
    pub mode: Mode,
    /// Where to listen; port 5100 if nothing is set.
    #[serde(default)]
    pub http: HttpSettings,
    /// What is logged.
    #[serde(default)]
    pub log: LogSettings,
    /// How tokens are checked, and in development mode made.
    #[serde(default)]
    pub auth: AuthSettings,
    /// Where catalog-api is.
    catalog: Option<BackendSettings>,
    /// Where basket-api is.
    basket: Option<BackendSettings>,
    /// Where outbox-relay is, or several of them with commas between; without it there is no control room.
    pub relay: Option<BackendSettings>,
    /// The `shop` program that the control room kills and starts processes with.
    tool: Option<ToolSettings>,
}

/// Where another service is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendSettings {
    /// Its address, such as `http://127.0.0.1:5101`.
    pub url: String,
}

/// The developer's tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolSettings {
    /// The path of the program `shop`. It is run in this process's working directory.
    pub path: PathBuf,
}

impl Settings {
    /// Where catalog-api is; an error names what to set.
    pub fn catalog(&self) -> anyhow::Result<&BackendSettings> {
        self.catalog.as_ref().context("setting catalog.url is missing: set APP__CATALOG__URL")
    }

    /// Where basket-api is; an error names what to set.
    pub fn basket(&self) -> anyhow::Result<&BackendSettings> {
        self.basket.as_ref().context("setting basket.url is missing: set APP__BASKET__URL")
    }

    /// The developer's tool; `None` without one. In production mode there must be none.
    pub fn tool(&self) -> anyhow::Result<Option<&ToolSettings>> {
        ensure!(
            self.tool.is_none() || self.mode == Mode::Development,
            "setting tool.path (APP__TOOL__PATH) lets visitors kill processes: remove it, or set APP__MODE=development"
        );
        Ok(self.tool.as_ref())
    }
}
