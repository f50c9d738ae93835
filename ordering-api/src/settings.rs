//! The settings that only this service has.

use std::time::Duration;

use serde::Deserialize;
use service_kit::settings::{Mode, check_ranges};
use service_kit::sse::StreamSettings;
use utoipa::ToSchema;

/// The sections beside those that every service has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The catalog, which is asked about products that no event has told of. Without it such a product cannot be ordered.
    pub catalog: Option<CatalogSettings>,
    /// How long an order waits, and for what.
    #[serde(default)]
    pub orders: OrderSettings,
    /// How many streams of changes may be open.
    #[serde(default)]
    pub streams: StreamSettings,
}

/// Where the catalog is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogSettings {
    /// The address of catalog-api, such as `http://127.0.0.1:5101`.
    pub url: String,
}

/// How long an order waits, and for what.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrderSettings {
    /// Seconds between the checkout and the request for stock, in which the buyer can think again. Default 5 in
    /// development, 60 in production.
    grace_period_s: Option<u32>,
    /// Seconds after which an order that has heard nothing from stock or payment is cancelled. Default 600: longer than
    /// a payment provider may be unreachable.
    pub reply_deadline_s: u32,
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self { grace_period_s: None, reply_deadline_s: 600 }
    }
}

impl OrderSettings {
    /// Refuses times of more than a year, and a deadline that every order would miss; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        const YEAR_S: u64 = 365 * 24 * 60 * 60;
        check_ranges(&[
            ("orders.grace_period_s", self.grace_period_s.unwrap_or_default().into(), 0, YEAR_S),
            ("orders.reply_deadline_s", self.reply_deadline_s.into(), 1, YEAR_S),
        ])
    }

    /// The time between the checkout and the request for stock.
    pub fn grace_period(&self, mode: Mode) -> Duration {
        let default = if mode == Mode::Development { 5 } else { 60 };
        Duration::from_secs(self.grace_period_s.unwrap_or(default).into())
    }
}
