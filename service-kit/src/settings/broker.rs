//! The broker, with the names that the shop's services share.

use event_bus::BrokerConfig;
use secrecy::SecretString;
use serde::Deserialize;

/// Where the broker is, and the names of the shop's exchanges.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`; those of a cluster's nodes with commas between them.
    #[schema(value_type = String)]
    url: SecretString,
    /// The topic exchange to which events are published. Default `shop.events`.
    #[serde(default = "default_exchange")]
    #[schema(default = "shop.events")]
    exchange: String,
    /// The exchange, and the queue behind it, for events that no queue is bound for. Default `shop.unrouted`.
    #[serde(default = "default_unrouted")]
    #[schema(default = "shop.unrouted")]
    unrouted: String,
}

impl BrokerSettings {
    /// The settings as event-bus takes them. The error names the setting that can never work.
    pub fn config(&self) -> anyhow::Result<BrokerConfig> {
        let mut config = BrokerConfig::new(self.url.clone(), &self.exchange);
        config.unrouted.clone_from(&self.unrouted);
        config.validate().map_err(|invalid| {
            let path = format!("broker.{}", invalid.field);
            anyhow::anyhow!("setting {path} ({}): {}", super::variable(&path), invalid.problem)
        })?;
        Ok(config)
    }
}

fn default_exchange() -> String {
    "shop.events".to_owned()
}

fn default_unrouted() -> String {
    "shop.unrouted".to_owned()
}
