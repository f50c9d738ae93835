//! The settings of a service: the sections that every service has, and its own beside them.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use config::{Config, Value};
use event_bus::consumer::SubscriberConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{
    AuthSettings, BrokerSettings, DatabaseSettings, HttpSettings, LogSettings, Mode, TracesSettings,
};

/// The sections that every service has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CommonSettings {
    /// `development` accepts the published development secret; `production` does not.
    #[serde(default)]
    #[schema(default = "production")]
    pub mode: Mode,
    /// Where to listen, and the limits of a request.
    #[serde(default)]
    pub http: HttpSettings,
    /// What is logged.
    #[serde(default)]
    pub log: LogSettings,
    /// Where traces go.
    #[serde(default)]
    pub traces: TracesSettings,
    /// How tokens are checked.
    #[serde(default)]
    pub auth: AuthSettings,
    database: Option<DatabaseSettings>,
    broker: Option<BrokerSettings>,
    /// The limits of the subscription to events.
    #[serde(default)]
    pub consumer: SubscriberConfig,
}

/// The names of the sections of [`CommonSettings`].
const COMMON: [&str; 8] = ["mode", "http", "log", "traces", "auth", "database", "broker", "consumer"];

/// All settings of a service whose own sections are `S`.
#[derive(Debug, Clone)]
pub struct ServiceSettings<S> {
    /// The sections that every service has.
    pub common: CommonSettings,
    /// The sections that only this service has.
    pub own: S,
}

impl CommonSettings {
    /// The service's database; an error names what to set.
    pub fn database(&self) -> anyhow::Result<&DatabaseSettings> {
        self.database.as_ref().context("setting database.url is missing: set APP__DATABASE__URL")
    }

    /// The broker; an error names what to set.
    pub fn broker(&self) -> anyhow::Result<&BrokerSettings> {
        self.broker.as_ref().context("setting broker.url is missing: set APP__BROKER__URL")
    }
}

/// Reads the settings of this process, as [`load`](super::load) does.
pub fn load_service<S: DeserializeOwned>(file: Option<&Path>) -> anyhow::Result<ServiceSettings<S>> {
    load_service_from(file, super::environment())
}

/// Reads settings from a file and from the given variables instead of the process's environment.
pub fn load_service_from<S: DeserializeOwned>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<ServiceSettings<S>> {
    let all = super::read(file, variables)?;
    let sections: HashMap<String, Value> =
        all.clone().try_deserialize().context("cannot read the settings")?;
    // The service's own type sees its own sections only, so it can refuse the ones that it does not know.
    let mut own = Config::builder();
    for (name, section) in sections {
        if !COMMON.contains(&name.as_str()) {
            own = own.set_override(name, section)?;
        }
    }
    let own = own.build().context("cannot read the settings")?;
    Ok(ServiceSettings { common: super::deserialize(all)?, own: super::deserialize(own)? })
}
