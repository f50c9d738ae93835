//! The settings that only this service has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde::Deserialize;
use service_kit::settings::Mode;
use utoipa::ToSchema;

/// The sections beside those that every service has. Signing in by name needs development mode.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The services of the shop, by their names.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceSettings>,
    /// Where the relays are. Without this setting there is no control room.
    pub relay: Option<RelaySettings>,
    /// The mailbox that stands for a mail server in development mode.
    pub mailbox: Option<MailboxSettings>,
    /// The `shop` program that the control room kills and starts processes with.
    tool: Option<ToolSettings>,
}

/// A service of the shop: `APP__SERVICES__<NAME>__URL` and so on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// Its address, such as `http://127.0.0.1:5101`.
    pub url: String,
    /// Whether it has an outbox, which the control room shows.
    #[serde(default)]
    pub publishes: bool,
    /// Whether it has an inbox, which the control room shows.
    #[serde(default)]
    pub subscribes: bool,
}

/// The relays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelaySettings {
    /// The address of a relay, or several addresses separated by commas.
    pub url: String,
}

/// The mailbox of development.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailboxSettings {
    /// Its address, such as `http://127.0.0.1:5161`.
    pub url: String,
}

/// The developer's tool.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolSettings {
    /// The path of the program `shop`. It is run in this process's working directory.
    #[schema(value_type = String)]
    pub path: PathBuf,
}

impl Settings {
    /// The address of a service that the shop's pages need. The error names the variable to set.
    pub fn service_url(&self, name: &str) -> anyhow::Result<&str> {
        let service = self.services.get(name);
        service.map(|service| service.url.as_str()).with_context(|| {
            format!("setting services.{name}.url is missing: set {}", service_variable(name))
        })
    }

    /// The developer's tool; `None` without one. In production mode there must be none.
    pub fn tool(&self, mode: Mode) -> anyhow::Result<Option<&ToolSettings>> {
        ensure!(
            self.tool.is_none() || mode == Mode::Development,
            "setting tool.path (APP__TOOL__PATH) lets visitors kill processes: remove it, or set APP__MODE=development"
        );
        Ok(self.tool.as_ref())
    }
}

/// The environment variable that holds the address of a service.
pub fn service_variable(name: &str) -> String {
    format!("APP__SERVICES__{}__URL", name.to_uppercase())
}
