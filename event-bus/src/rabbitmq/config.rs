//! Where the broker is.

use secrecy::SecretString;
use serde::Deserialize;

/// The broker's address, and the names of the exchanges that all services share.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`.
    pub url: SecretString,
    /// The topic exchange to which events are published.
    pub exchange: String,
    /// The exchange, and the queue behind it, for events that no queue is bound for.
    pub unrouted: String,
}

impl BrokerConfig {
    /// The broker at `url`, with this exchange for events. Unroutable events go to `<exchange>.unrouted`.
    pub fn new(url: impl Into<SecretString>, exchange: &str) -> Self {
        Self { url: url.into(), exchange: exchange.to_owned(), unrouted: format!("{exchange}.unrouted") }
    }
}
