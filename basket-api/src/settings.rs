//! The settings that only this service has.

use anyhow::{Context, ensure};
use serde::Deserialize;
use service_kit::sse::StreamSettings;
use utoipa::ToSchema;

/// The sections beside those that every service has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The catalog, which is asked about products that no event has told of.
    catalog: Option<CatalogSettings>,
    /// How many streams of alerts may be open.
    #[serde(default)]
    pub streams: StreamSettings,
    /// Alerts by mail, for those who want that.
    #[serde(default)]
    pub digest: DigestSettings,
}

/// Where the catalog is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogSettings {
    /// The address of catalog-api, such as `http://127.0.0.1:5101`.
    pub url: String,
}

/// How often those who want it get their alerts by mail.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DigestSettings {
    /// The seconds from a buyer's wish to the first mail, and from each mail to the next; for those who ask from now on.
    /// Default 86,400, a day.
    pub every_seconds: i32,
}

impl Default for DigestSettings {
    fn default() -> Self {
        Self { every_seconds: 86_400 }
    }
}

impl DigestSettings {
    /// Refuses what would send mails without a pause; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.every_seconds > 0, "setting digest.every_seconds must be at least 1");
        Ok(())
    }
}

impl Settings {
    /// The catalog's section; an error names what to set.
    pub fn catalog(&self) -> anyhow::Result<&CatalogSettings> {
        self.catalog.as_ref().context("setting catalog.url is missing: set APP__CATALOG__URL")
    }
}
