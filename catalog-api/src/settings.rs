//! What the catalog can be told by its configuration.

use serde::Deserialize;
use service_kit::settings::{AuthSettings, DatabaseSettings, HttpSettings, LogSettings, Mode};

/// All settings. Each has a default but the database's URL and the secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How strict the process is about its own configuration.
    #[serde(default)]
    pub mode: Mode,
    /// Where to listen, and the limits of a request.
    #[serde(default)]
    pub http: HttpSettings,
    /// Which database.
    pub database: DatabaseSettings,
    /// Which tokens count.
    #[serde(default)]
    pub auth: AuthSettings,
    /// What is logged.
    #[serde(default)]
    pub log: LogSettings,
}
