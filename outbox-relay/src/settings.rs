//! What an operator configures.

use std::{collections::BTreeMap, num::NonZeroU16};

use secrecy::SecretString;
use serde::Deserialize;
use service_kit::settings::{
    AuthSettings, BrokerSettings, HttpSettings, LogSettings, Mode, TracesSettings, check_ranges,
};
use utoipa::ToSchema;

/// The settings of the relay and of its operator's commands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `development` accepts the published development secret; `production` does not.
    #[serde(default)]
    #[schema(default = "production")]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) http: HttpSettings,
    #[serde(default)]
    pub(crate) log: LogSettings,
    #[serde(default)]
    pub(crate) traces: TracesSettings,
    #[serde(default)]
    pub(crate) auth: AuthSettings,
    pub(crate) broker: BrokerSettings,
    /// The databases whose logs are published, by the name of the service that each belongs to.
    pub(crate) databases: BTreeMap<String, SourceSettings>,
    #[serde(default)]
    pub(crate) relay: RelaySettings,
    /// The databases in which subscribers keep their inboxes, by the subscriber's name; for `show` and
    /// `audit` only.
    #[serde(default)]
    pub(crate) consumers: BTreeMap<String, ConsumerSettings>,
}

/// One subscriber's database, with its `inbox`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsumerSettings {
    /// `postgres://user:password@host:port/name`, with the right to read `inbox` and `inbox_version`.
    #[schema(value_type = String)]
    pub(crate) url: SecretString,
    /// The types of events that it must have; default those of which it ever had one.
    pub(crate) events: Option<Vec<String>>,
}

/// One database with an `integration_event_log`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSettings {
    /// `postgres://user:password@host:port/name`, with the rights of a relay's role.
    #[schema(value_type = String)]
    pub(crate) url: SecretString,
    /// The `source` of its events, a URI reference; default `/<name>`.
    pub(crate) source: Option<String>,
    /// Whether sessions are the relay's own: then it listens for notifications, and others notice at once
    /// when it dies. Off where a connection pooler hands sessions around: new events are then found by
    /// polling, and a dead relay's lease has to end.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) notifications: bool,
}

/// How the relay works.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RelaySettings {
    /// The name that operators see; default the process's id on its host.
    pub(crate) name: Option<String>,
    /// The largest number of events that one poll reads. Default 1,000.
    #[serde(alias = "chunk")]
    #[schema(value_type = u16)]
    pub(crate) batch_size: NonZeroU16,
    /// The largest number of events in flight to the broker. Default 1,000.
    #[serde(alias = "window")]
    #[schema(value_type = u16)]
    pub(crate) max_in_flight: NonZeroU16,
    /// Days after which published and skipped events leave the log; 0 keeps them for ever. Default 14.
    pub(crate) retention_days: u32,
}

/// The default of `batch_size` and `max_in_flight`.
const THOUSAND: NonZeroU16 = NonZeroU16::MIN.saturating_add(999);

impl Default for RelaySettings {
    fn default() -> Self {
        Self { name: None, batch_size: THOUSAND, max_in_flight: THOUSAND, retention_days: 14 }
    }
}

impl RelaySettings {
    /// Refuses more than ten years, which cannot be meant; an error names what to set.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        check_ranges(&[("relay.retention_days", self.retention_days.into(), 0, 3_650)])
    }
}

fn yes() -> bool {
    true
}
